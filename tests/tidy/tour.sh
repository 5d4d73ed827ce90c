#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The tour at the end of README.md names every source file, once, and nothing that is not there. Of tests/ it names the
# folders. A line is "- `FILE`, `FILE`: what lives there".
# shellcheck source=tests/tidy/tree.bash
. "$(dirname "$0")/tree.bash"

tour=$(sed -n '/^## The tour/,$p' README.md)
[ -n "$tour" ] || { complain "README.md has no '## The tour'"; exit 1; }
# shellcheck disable=SC2016  # backticks of the text
named=$(sed -n 's/^- \(\(`[^`]*`\(, \)\{0,1\}\)*\):.*/\1/p' <<<"$tour" | grep -oE '`[^`]+`' | tr -d '`' | sort)

while read -r file; do
    grep -qxF "$file" <<<"$named" || complain "README.md: the tour does not name $file"
done < <(files '^(include|wire|core|arch|port|kernel|agent|plan|writer|reader|tracer|cli|model|fuzz|bench|examples)/.*\.(c|h|S|lds|cc|pml|py|sh)$')
while read -r folder; do
    grep -qxF "$folder/" <<<"$named" || complain "README.md: the tour does not name $folder/"
done < <(files '^tests/.*/' | cut -d/ -f1,2 | sort -u)
for name in $named; do
    [ -e "$name" ] || complain "README.md: the tour names $name, which is not there"
done
twice=$(uniq -d <<<"$named")
[ -z "$twice" ] || complain "README.md: the tour names twice: $twice"
exit $bad
