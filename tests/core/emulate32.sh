#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The emulation at 32 bits: emulate_test.c against the processor in compatibility mode.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
CC=${CC:-gcc}
echo 'int main(void) { return 0; }' >"$work/empty.c"
"$CC" -m32 "$work/empty.c" -o "$work/empty" 2>/dev/null || { echo "$CC cannot make programs of 32 bits here"; exit 77; }
"$work/empty" || { echo "no programs of 32 bits run here"; exit 77; }
"$CC" -m32 -std=c11 -O2 -D_GNU_SOURCE -Wall -Wextra -Werror -Iinclude -I. -Iarch/x86/32 tests/core/emulate_test.c \
    tests/core/native.c tests/core/native_case.c core/emulate.c core/insn.c core/insn_table.c port/sim/place.c port/sim/schedule.c \
    port/sim/text.c -o "$work/emulate_test" || exit 1
"$work/emulate_test"
