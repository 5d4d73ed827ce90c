#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Nothing is kept that nobody uses: each header is included, each function that a header declares is defined, and named
# in a second file; each function that a comment names with () exists.
# shellcheck source=tests/tidy/tree.bash
. "$(dirname "$0")/tree.bash"

mapfile -t sources < <(files '\.(c|h|S|cc|lds)$')
[ ${#sources[@]} -gt 0 ] || exit 0
while read -r header; do
    grep -lE "#include [<\"]([^\">]*/)?$(basename "$header")[\">]" "${sources[@]}" | grep -qvxF "$header" ||
        complain "$header: nobody includes it"
done < <(files '\.h$' | grep -v '^tests/')

# name -> how many files hold the word, and in how many it is defined.
words=$(for file in "${sources[@]}"; do
    code_of "$file" | grep -oE '\btli?_[a-z0-9_]+\b' | sort -u
done | sort | uniq -c | awk '{ print $2, $1 }')
declared=$(files '^(include|core|arch|port|agent|plan|writer|reader|tracer|cli)/.*\.h$' |
    ctags -x --kinds-C=p --_xformat='%N %F' -L - 2>/dev/null | grep -v '^offsetof ' | sort -u)
defined=$({
    printf '%s\n' "${sources[@]}" | grep -E '\.(c|h)$' | ctags -x --kinds-C=fv --_xformat='%N' -L - 2>/dev/null
    cat "${sources[@]}" | sed -nE 's/^([a-z_][a-z0-9_]*):.*/\1/p; s/.*(ENTRY|FUNCTION|GLOBAL)[A-Z_]*\(([a-z0-9_]+)\).*/\2/p'
} | sort -u)
while read -r name file; do
    [ -n "$name" ] || continue
    grep -qxF "$name" <<<"$defined" || complain "$file: $name() is declared and nowhere defined"
    case "$file" in include/*) continue ;; esac # the door: users are its second file
    case "$name" in tl_* | tli_*) ;; *) continue ;; esac
    count=$(awk -v n="$name" '$1 == n { print $2 }' <<<"$words")
    [ "${count:-0}" -ge 3 ] || complain "$file: $name() is used by nobody outside its own file"
done <<<"$declared"

known=$({
    echo "$words" | cut -d' ' -f1
    echo "$defined"
} | sort -u)
while IFS=: read -r file line name; do
    name=${name%()}
    grep -qxF "$name" <<<"$known" || complain "$file:$line: a comment names $name(), which is nowhere"
done < <(printf '%s\n' "${sources[@]}" | xargs -r grep -noHE '\btli?_[a-z0-9_]+\(\)')
exit $bad
