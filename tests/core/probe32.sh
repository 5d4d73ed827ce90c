#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Probes at 32 bits: probe_test.c against the processor in compatibility mode.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
CC=${CC:-gcc}
echo 'int main(void) { return 0; }' >"$work/empty.c"
"$CC" -m32 "$work/empty.c" -o "$work/empty" 2>/dev/null || { echo "$CC cannot make programs of 32 bits here"; exit 77; }
"$work/empty" || { echo "no programs of 32 bits run here"; exit 77; }
"$CC" -m32 -no-pie -std=c11 -O2 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Wall -Wextra -Werror -Iinclude -I. -Iarch/x86/32 \
    tests/core/probe_test.c tests/core/probe_forms.c tests/core/native.c tests/core/native_case.c tests/arch/port.c \
    core/probe*.c core/ftrace*.c core/exit.c core/trap.c core/site.c core/epoch.c core/poke.c core/batch.c core/slab.c \
    core/emulate.c core/insn.c core/insn_table.c core/key.c core/move.c core/place.c \
    arch/x86/32/ftrace.S arch/x86/32/probe.S -lpthread -o "$work/probe_test" || exit 1
"$work/probe_test"
