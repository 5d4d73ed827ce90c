#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# ftrace at 32 bits: the tests of this folder with the other trampolines, in compatibility mode.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
CC=${CC:-gcc}
echo 'int main(void) { return 0; }' >"$work/empty.c"
"$CC" -m32 "$work/empty.c" -o "$work/empty" 2>/dev/null || { echo "$CC cannot make programs of 32 bits here"; exit 77; }
"$work/empty" || { echo "no programs of 32 bits run here"; exit 77; }
for test in ftrace_test ftrace_return_test ftrace_race_test; do
    "$CC" -m32 -no-pie -std=c11 -O2 -D_GNU_SOURCE -Wall -Wextra -Werror -Iinclude -I. -Iarch/x86/32 "tests/arch/$test.c" \
        tests/arch/port.c tests/arch/ftrace_told.c tests/arch/ftrace_code.S core/ftrace*.c core/exit.c core/trap.c core/site.c \
        core/epoch.c core/poke.c core/batch.c core/slab.c core/emulate.c core/insn.c core/insn_table.c \
        arch/x86/32/ftrace.S -lpthread -o "$work/$test" || exit 1
    "$work/$test" || exit 1
done
