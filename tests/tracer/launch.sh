#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# 'record PROG' is PROG as far as anybody outside can tell: its output, its exit status, the signals it gets; and says
# in a shell's words when it cannot be run.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${O:=build}"
: "${TRAPLINE:=$O/trapline}"
TRAPLINE=$(realpath "$TRAPLINE")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
ulimit -c 0
bad=0
fail() {
    echo "FAILED: $*"
    bad=1
}
# run STATUS OUTPUT PROG ARG...: recorded, it must end and say so.
run() {
    local status=$1 output=$2 said
    shift 2
    said=$(timeout 60 "$TRAPLINE" record -q -d "$work/data" "$@" 2>"$work/errors")
    local got=$?
    [ $got = "$status" ] || fail "$*: ended with $got, not $status: $(cat "$work/errors")"
    [ "$said" = "$output" ] || fail "$*: said '$said', not '$output'"
}
says() { # TEXT: on standard error
    grep -q "$1" "$work/errors" || fail "no '$1' in: $(cat "$work/errors")"
}

run 0 hello /bin/echo hello
says 'events in'
run 7 '' /bin/sh -c 'exit 7'
run 143 '' /bin/sh -c 'kill -TERM $$'
run 139 '' /bin/sh -c 'kill -SEGV $$'
run 127 '' /no/such/program
says "^trapline: cannot run '/no/such/program': No such file"
run 127 '' no-such-program-anywhere
run 126 '' /etc/passwd
says "Permission denied"
# shellcheck disable=SC2016  # the script's own
printf '#!/bin/sh\necho "script $1"\n' >script
chmod +x script
run 0 'script one' ./script one
printf '#!/no/such/interpreter\n' >orphan
chmod +x orphan
run 127 '' ./orphan

# Its input and its place in the pipeline.
[ "$(seq 1000 | "$TRAPLINE" record -q -d "$work/data" /usr/bin/sort -rn 2>/dev/null | head -n 1)" = 1000 ] || fail "sort"

# Another program in the same process: told, and its status handed on.
run 5 second /bin/sh -c 'exec /bin/sh -c "echo second; sleep 0.3; exit 5"'
says 'has executed .*the recording ended there'

# Signals.
timeout 60 "$TRAPLINE" record -q -d "$work/data" /bin/sh -c 'trap "echo got; exit 3" TERM; echo up; while :; do sleep 0.05; done' \
    >"$work/out" 2>"$work/errors" &
tracer=$!
for _ in $(seq 200); do
    grep -q up "$work/out" && break
    sleep 0.02
done
# timeout passes the signal on to its child.
kill -TERM $tracer
wait $tracer
grep -q got "$work/out" || fail "SIGTERM was not passed on"
says 'events in'

if echo 'int main(void) { return 4; }' | gcc -static -x c - -o still 2>/dev/null; then
    run 4 '' ./still
    strip still
    run 4 '' ./still
fi
if echo 'int main(void) { return 4; }' | gcc -m32 -x c - -o narrow 2>/dev/null; then
    run 125 '' ./narrow
    says 'i386'
fi
mkdir taken
touch taken/something
"$TRAPLINE" record -d taken /bin/true 2>"$work/errors"
[ $? = 125 ] || fail "a folder that is no recording was taken: $(cat "$work/errors")"
[ -e taken/something ] || fail "a file was lost"
exit $bad
