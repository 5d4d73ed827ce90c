#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Calls that are never the right one, and calls that a room may not make: the agent and the engine never print, never
# exit, never allocate from a libc; only cli/ ends the process.
# shellcheck source=tests/tidy/tree.bash
. "$(dirname "$0")/tree.bash"

# $1: what to say, $2: the calls as a regular expression, the rest: files.
forbid() {
    local what=$1 calls=$2 file hits
    shift 2
    for file in "$@"; do
        hits=$(code_of "$file" | grep -nE "(^|[^_[:alnum:].>])($calls) *\(" | head -n 3)
        [ -z "$hits" ] || complain "$file: $what:
$hits"
    done
}
mapfile -t all < <(files '^(include|wire|core|arch|port|agent|plan|writer|reader|tracer|cli|bench|examples)/.*\.[ch]$')
mapfile -t inner < <(files '^(core|arch|agent|port/linux)/.*\.[ch]$')
mapfile -t outer < <(files '^(plan|writer|reader|tracer)/.*\.[ch]$')
forbid 'never right' 'gets|strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atoll|tmpnam|mktemp|alloca|system|popen' \
    "${all[@]}"
forbid 'not in the engine or the agent' 'printf|fprintf|exit|_exit|abort|malloc|calloc|realloc|free|memcpy|memset' \
    "${inner[@]}"
forbid 'only cli/ ends the process' 'exit|abort|quick_exit' "${outer[@]}"
exit $bad
