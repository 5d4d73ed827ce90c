#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 1800
#
# The decoder agrees with Zydis and objdump on every instruction of large programs of both widths.
set -u
cd "$(dirname "$0")/../.." || exit 1
oracle=${O:-build}/tests/core/insn_oracle
[ -x "$oracle" ] || { echo "$oracle has not been built"; exit 77; }

libraries=/usr/lib/x86_64-linux-gnu
here=() missing=()
for file in "$libraries/libc.so.6" "$libraries/libcrypto.so.3" "$(command -v node || echo node)" \
    "$libraries/libLLVM-14.so.1" /lib32/libc.so.6; do
    if [ -r "$file" ]; then here+=("$file"); else missing+=("$file"); fi
done
"$oracle" "${here[@]}" || exit
[ ${#missing[@]} = 0 ] || { echo "not here: ${missing[*]}"; exit 77; }
