#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The man pages are well formed, there is one for each verb, and each option that 'trapline --help' shows stands in one.
# shellcheck source=tests/tidy/tree.bash
. "$(dirname "$0")/tree.bash"
command -v mandoc >/dev/null || { echo "mandoc is not installed"; exit 77; }

mapfile -t pages < <(files '^man/.*\.1$')
[ ${#pages[@]} -gt 0 ] || { complain "no man pages in man/"; exit 1; }
for page in "${pages[@]}"; do
    report=$(mandoc -Tlint -Wwarning "$page")
    [ -z "$report" ] || complain "$report"
done
for verb in record live count cover replay report list info; do
    [ -f "man/trapline-$verb.1" ] || complain "no man/trapline-$verb.1"
done

if [ -x "${TRAPLINE:-}" ]; then
    text=$(mandoc -Tascii "${pages[@]}" | col -bx)
    for option in $("$TRAPLINE" --help 2>&1 | grep -oE '(^|[ ,])--[a-z][a-z-]+' | tr -d ' ,' | sort -u); do
        grep -qF -e "$option" <<<"$text" || complain "no man page tells of $option"
    done
fi
exit $bad
