#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# kernel/symbols.sh [KERNEL.elf]: prints, as assembly, the table that kernel/symbols.c searches: every function of the
# file, sorted by address; without a file, an empty table. The Makefile links the kernel with the empty one, makes the
# real one from that, links again. The table lies in .rodata, behind all text: so no function moves between the links,
# which 'kernel/symbols.sh --check FIRST.elf SECOND.elf' proves.
set -euo pipefail

# address, size or "-", name; of several names for one address the one that knows its size, then a global one.
functions() {
    LC_ALL=C nm --defined-only --numeric-sort --print-size "$1" | LC_ALL=C awk '
        NF == 4 && $3 ~ /^[tTwW]$/ { print $1, 0, ($3 == "t"), $2, $4 }
        NF == 3 && $2 ~ /^[tTwW]$/ { print $1, 1, ($2 == "t"), "-", $3 }' |
        LC_ALL=C sort | awk '$1 != last { print $1, $4, $5; last = $1 }'
}

if [ "${1-}" = --check ]; then
    cmp <(functions "$2") <(functions "$3") || {
        echo "kernel/symbols.sh: functions moved between the two links" >&2
        exit 1
    }
    exit 0
fi

rows=$([ $# -eq 0 ] || functions "$1")
cat <<END
    .section .note.GNU-stack,"",@progbits
    .section .rodata.symbols,"a",@progbits
    .globl symbols_base, symbols_count, symbols_rows, symbols_names
    .balign 8
END
awk '
    NF { n++; address[n] = "0x" $1; size[n] = $2; name[n] = $3 }
    END {
        print "symbols_base: .quad " (n ? address[1] : 0)
        print "symbols_count: .long " n + 0
        print "symbols_rows:"
        for (i = 1; i <= n; i++) {
            # The last one without a size: at least its first byte.
            span = size[i] != "-" ? "0x" size[i] : i < n ? address[i + 1] " - " address[i] : 1
            print "    .long " address[i] " - " address[1] ", " span ", " offset + 0
            offset += length(name[i]) + 1
        }
        print "symbols_names:"
        for (i = 1; i <= n; i++)
            print "    .asciz \"" name[i] "\""
    }' <<<"$rows"
