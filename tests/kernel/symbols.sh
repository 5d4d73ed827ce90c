#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 60
#
# The kernel's table of its own functions against nm: each of a sample is found by name at its address, and by an address
# inside it. Both widths. And the two links have every function at the same place.
# shellcheck source=tests/kernel/shell.bash
. "$(dirname "$0")/shell.bash"
need nm

for width in 32 64; do
    claim "$width bits"
    start_kernel "$width" 1
    # Functions whose names and addresses are their own, with a size: about fifteen of them.
    nm --print-size --numeric-sort "$(kernel_symbols "$width")" | awk 'NF == 4 && $3 ~ /[tT]/ { print $1, $2, $4 }' |
        awk '{ line[NR] = $0; name[NR] = $3; at[NR] = $1; names[$3]++; ats[$1]++ }
            END { for (i = 1; i <= NR; i++) if (names[name[i]] == 1 && ats[at[i]] == 1) good[++n] = line[i]
                  for (i = 1; i <= n; i += n < 15 ? 1 : int(n / 15)) print good[i] }' \
            >"$scratch/sample"
    [ "$(wc -l <"$scratch/sample")" -ge 10 ] || complain 'hardly any functions'
    while read -r address size name; do
        address=$((16#$address)) size=$((16#$size))
        inside=$((size - 1))
        command_ok "symbol $name $(printf '0x%x' $((address + inside)))"
        console_says "^$(printf '0x0*%x' "$address") $name\\+0x0/$(printf '0x%x' "$size")\$"
        console_says " $name\\+$(printf '0x%x' "$inside")/"
    done <"$scratch/sample"
    printf 'symbol no_such_function\n' >&9
    wait_for 5 grep -q '^no function no_such_function' "$scratch/console" || complain 'finds what does not exist'
    stop_kernel
done
exit $bad
