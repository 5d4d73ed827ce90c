#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The agent's image runs at any address and names nothing outside itself; and the check that says so can say no.
set -u
O=${O:-build}
CC=${CC:-gcc}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
[ -f agent/agent.lds ] || { echo "there is no agent/agent.lds"; exit 77; }

tests/build/image "$O/agent.elf" || exit 1

# A linker script that throws the relocations away would make the check blind.
if sed -n '/DISCARD/,/}/p' agent/agent.lds | grep -n 'rela'; then
    echo "agent/agent.lds discards relocations: they must stay to be seen"
    exit 1
fi

cat >"$work/bad.c" <<'C'
extern const char *const names[];
const char *const names[] = {"a", "b"};
void missing(void);
void boot(void);
void boot(void) { missing(); }
C
"$CC" -ffreestanding -fPIE -fvisibility=hidden -c "$work/bad.c" -o "$work/bad.o" || exit 1
"$CC" -nostdlib -pie -Wl,--no-dynamic-linker -Wl,--unresolved-symbols=ignore-all -Wl,-e,boot "$work/bad.o" \
    -o "$work/bad.elf" || exit 1
if tests/build/image "$work/bad.elf" 2>/dev/null; then
    echo "tests/build/image passes an image with relocations"
    exit 1
fi
