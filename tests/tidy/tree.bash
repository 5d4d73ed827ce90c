# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# For the house rules in this folder, which source it: the files of the tree, and how a rule complains. A rule takes
# the root of the tree as its argument, so that rules.sh can show it a bad one.
# tests/tidy/X.sh [ROOT] exits 0 when the rule holds.

cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}" || exit 1
# shellcheck disable=SC2034  # the rules read it
bad=0

complain() {
    printf '%s\n' "$*"
    # shellcheck disable=SC2034
    bad=1
}

# The files of the tree, tracked or new, whose names match one of the given extended regular expressions.
files() {
    local all
    if [ -e .git ]; then
        all=$(git ls-files -co --exclude-standard | while read -r f; do [ ! -f "$f" ] || echo "$f"; done)
    else
        all=$(find . -type f -printf '%P\n')
    fi
    local pattern
    pattern=$(printf '|%s' "$@")
    printf '%s\n' "$all" | grep -E "${pattern#|}" | sort
}

# C files without their comments and strings, line numbers kept.
code_of() {
    perl -0777 -pe 's{(/\*.*?\*/)|//[^\n]*|("(?:\\.|[^"\\])*")}{ my $x = $&; $x =~ s/[^\n]//g; $2 ? "\"\"$x" : $x }gse' "$1"
}
