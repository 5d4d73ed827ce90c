#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The runner itself: it counts right, its last line is the count, a failure and a hanging test fail it, a child that a
# test leaves behind is ended.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
script() {
    { echo '#!/bin/sh'; cat; } >"$work/$1.sh"
    chmod +x "$work/$1.sh"
}
fail() {
    echo "$1"
    cat "$work/out"
    exit 1
}
script good <<<'exit 0'
script bad <<<'echo it broke; exit 3'
script skip <<<'echo no such machine; exit 77'
script hang <<<$'# timeout: 1\nsleep 100'
script orphan <<<"sleep 98765 & echo \$! >$work/orphan; exit 0"

run() {
    TEST_LOGS=$work/logs tests/run "$@" >"$work/out" 2>&1
}
run "$work/good.sh" "$work/skip.sh" "$work/orphan.sh" || fail "fails though none failed"
[ "$(tail -n 1 "$work/out")" = '2 passed, 0 failed, 1 skipped' ] || fail "wrong count"
grep -q 'SKIP .*skip.sh: no such machine' "$work/out" || fail "the reason of a skip is missing"
for _ in 1 2 3 4 5 6 7 8 9 10; do # being ended takes a moment
    kill -0 "$(cat "$work/orphan")" 2>/dev/null || break
    sleep 0.2
done
kill -0 "$(cat "$work/orphan")" 2>/dev/null && fail "a child was left behind"
run "$work/good.sh" "$work/bad.sh" && fail "passes though one failed"
[ "$(tail -n 1 "$work/out")" = '1 passed, 1 failed, 0 skipped' ] || fail "wrong count"
grep -q 'it broke' "$work/out" || fail "the output of a failure is missing"
run "$work/hang.sh" && fail "passes though one hung"
grep -q 'no end within 1 s' "$work/out" || fail "does not say that it hung"
exit 0
