#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Shell scripts pass shellcheck, Python compiles, and what has a #! line can be executed (a test that cannot is a test
# that never runs).
# shellcheck source=tests/tidy/tree.bash
. "$(dirname "$0")/tree.bash"
command -v shellcheck >/dev/null || { echo "shellcheck is not installed"; exit 77; }

shell=() python=()
while read -r file; do
    first=$(head -c 80 "$file" | head -n 1 | tr -d '\0')
    case "$first" in
    '#!'*) [ -x "$file" ] || complain "$file: has a #! line and is not executable" ;;
    esac
    case "$first:$file" in
    '#!'*sh:* | *.bash) shell+=("$file") ;;
    '#!'*python*:* | *.py) python+=("$file") ;;
    *:tests/*.sh) complain "$file: no #! line" ;;
    esac
done < <(files '' | grep -vE '\.(md|c|h|S|pml|1|txt)$|\.seeds/')
[ ${#shell[@]} = 0 ] || shellcheck -x -S warning "${shell[@]}" || bad=1
for file in "${python[@]}"; do
    python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$file" || bad=1
done
exit $bad
