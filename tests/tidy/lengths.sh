#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A file has at most 600 lines, a function at most 70.
# shellcheck source=tests/tidy/tree.bash
. "$(dirname "$0")/tree.bash"

mapfile -t sources < <(files '\.(c|h|S|cc|py|sh|bash|pml)$')
for file in "${sources[@]}"; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 600 ] || complain "$file: $lines lines, more than 600"
done

command -v ctags >/dev/null || { echo "ctags is not installed"; exit 77; }
while read -r file name first last; do
    length=$((last - first + 1))
    [ "$length" -le 70 ] || complain "$file:$first: $name() has $length lines, more than 70"
done < <(files '\.(c|h|cc)$' | ctags -x --kinds-C=f --kinds-C++=f --_xformat='%F %N %n %{end}' -L - 2>/dev/null |
    awk 'NF == 4')

exit $bad
