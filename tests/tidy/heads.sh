#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Each source file opens with one SPDX line and says what lives in it; a header's guard is its own, or shared by twins;
# a text ends with a newline and holds no tab, no blank at a line's end, no line over 120 columns.
# shellcheck source=tests/tidy/tree.bash
. "$(dirname "$0")/tree.bash"

while read -r file; do
    head -n 4 "$file" | grep -q 'SPDX-License-Identifier: MIT' || complain "$file: no SPDX line at its head"
    # The first comment says more than the licence.
    head -n 12 "$file" | sed 's/SPDX-License-Identifier: MIT//' | grep -qE '^ *(\*|/\*|#|//|--|;)? *[A-Za-z].{15,}' ||
        complain "$file: its head does not say what lives here"
done < <(files '\.(c|h|S|cc|lds|sh|bash|py|pml)$' '^Makefile$' '^tests/run$' '^packages/' '^\.ci/run$')

# Twins, of which an include path chooses one: of the widths, and of the two frames of i386.
twin='^arch/|/(32|64)/'
declare -A guards=()
while read -r file; do
    guard=$(sed -n 's/^#ifndef \([A-Z0-9_]*_H\)$/\1/p' "$file" | head -n 1)
    if [ -z "$guard" ] || ! grep -q "^#define $guard\$" "$file"; then
        complain "$file: no guard NAME_H"
    elif [ -n "${guards[$guard]-}" ] && ! { [[ $file =~ $twin ]] && [[ ${guards[$guard]} =~ $twin ]]; }; then
        complain "$file: shares its guard $guard with ${guards[$guard]}"
    fi
    guards[${guard:-none}]=$file
done < <(files '\.h$' | grep -vE '(table|template)[a-z_]*\.h$')

while read -r file; do
    [ ! -s "$file" ] || [ -z "$(tail -c 1 "$file")" ] || complain "$file: no newline at its end"
    hits=$(grep -nE '[[:blank:]]+$' "$file" | head -n 3)
    [ -z "$hits" ] || complain "$file: blanks at the end of lines: $hits"
done < <(files '\.(c|h|S|cc|lds|sh|bash|py|pml|md|txt|1)$' '^Makefile$')
while read -r file; do
    hits=$(grep -nP '\t' "$file" | head -n 3)
    [ -z "$hits" ] || complain "$file: tabs: $hits"
done < <(files '\.(c|h|cc|sh|bash|py|md|pml)$')
while read -r file; do
    hits=$(awk '{ s = $0; gsub(/[\x80-\xbf]/, "", s); if (length(s) > 120) print FNR }' "$file" | head -n 3 | tr '\n' ' ')
    [ -z "$hits" ] || complain "$file: over 120 columns: line $hits"
done < <(files '\.(c|h|S|cc|lds|pml)$' '^Makefile$' | grep -vE '_table\.[ch]$')
exit $bad
