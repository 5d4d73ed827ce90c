#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# When trapline itself is killed or the target dies under it: the target lives on, its text is the file's within two
# seconds, the recording is readable. And a second trapline is refused and named the first.
# shellcheck disable=SC2317  # functions are called by claim
# shellcheck source=tests/live/lib.bash
. "$(dirname "$0")/lib.bash"

text_came_back() {
    until_true 2 "$live/tools/text.py" "$target" quiet || "$live/tools/text.py" "$target"
}
killed() {
    start busy "$(program busy)" 2 "$@"
    attach_in_background
    sleep 0.3
    kill -KILL "$tracer"
    text_came_back || fail "text differs two seconds after kill -9 of trapline"
    goes_on
    report
    grep -q '"f_round"' "$scratch/report.json" || fail "the recording does not hold f_round"
    attached 200ms
    text_is_the_files "$target"
    stop_target 0 'done'
}
# A few events, far from filling a chunk, are on disk nevertheless, and babeltrace2 knows their names.
killed_early() {
    start seldom "$(program seldom)"
    attach_in_background
    ticks() {
        report && grep -qE '"f_tick".*"calls": [0-9]{2,}' "$scratch/report.json"
    }
    until_true 20 ticks || fail "no call is on disk while it goes on: $(cat "$scratch/report.json")"
    kill -KILL "$tracer"
    text_came_back || fail "text differs two seconds after kill -9 of trapline"
    ticks || fail "what was on disk is gone: $(cat "$scratch/report.json")"
    "$TRAPLINE" info -d "$scratch/data" | grep -qE '^sites +[1-9]' || fail "$("$TRAPLINE" info -d "$scratch/data")"
    if command -v babeltrace2 >/dev/null; then
        babeltrace2 "$scratch/data" 2>&1 | grep -q f_tick || fail "babeltrace2: $(babeltrace2 "$scratch/data" | head -n 3)"
    fi
    stop_target 0 'done'
}
killed_while_attaching() {
    local i
    start busy "$(program busy)" 2
    for i in $(seq 1 12); do
        rm -rf "$scratch/data"
        "$TRAPLINE" record -p "$target" -d "$scratch/data" >/dev/null 2>&1 &
        tracer=$!
        remember "$tracer"
        sleep "0.$(printf '%03d' $((i * i * 2)))"
        kill -KILL "$tracer" 2>/dev/null
        wait "$tracer" 2>/dev/null
        text_came_back || fail "text differs two seconds after kill -9 in attempt $i"
        goes_on
    done
    attached 200ms
    stop_target 0 'done'
}
killed_launched() {
    start busy "$TRAPLINE" record -d "$scratch/data" "$(program busy)" 2
    tracer=$target
    target=$(pgrep -P "$tracer" | head -n 1)
    [ -n "$target" ] || fail "the program is no child of 'trapline record'"
    remember "$target"
    sleep 0.2
    kill -KILL "$tracer"
    text_came_back || fail "text differs two seconds after kill -9 of trapline"
    goes_on
    exec {control}>&-
    until_true 10 ended "$target" || fail "the target does not end"
    [ "$(tail -n 1 "$said")" = 'done' ] || fail "the target said last: $(tail -n 1 "$said")"
}
second() {
    local status
    start busy "$(program busy)" 2
    attach_in_background
    bounded "$TRAPLINE" record -p "$target" --for 100ms -d "$scratch/second" >"$scratch/out" 2>"$scratch/err"
    status=$?
    [ "$status" = 125 ] || fail "the second trapline ended with $status instead of 125"
    grep '^trapline: ' "$scratch/err" | grep -q "$tracer" || fail "does not name process $tracer: $(cat "$scratch/err")"
    [ ! -e "$scratch/second" ] || fail "the second trapline left a recording"
    goes_on
    kill -INT "$tracer"
    wait "$tracer" || fail "the first trapline ended with $?"
    summary_lines
    text_is_the_files "$target"
    stop_target 0 'done'
}
# The target is killed at any moment of an attach.
target_killed() {
    local i status
    for i in $(seq 1 12); do
        start busy "$(program busy)" 2
        record_for 5s &
        tracer=$!
        remember "$tracer"
        sleep "0.$(printf '%03d' $((i * i * 2)))"
        kill -KILL "$target"
        until_true 4 ended "$tracer" || fail "trapline goes on after its target was killed (attempt $i)"
        wait "$tracer"
        status=$?
        [ "$status" = 0 ] || [ "$status" = 125 ] || fail "trapline ended with $status: $(cat "$scratch/traced.err")"
        [ "$status" = 0 ] || grep -q '^trapline: ' "$scratch/traced.err" || fail "says nothing"
        exec {control}>&-
    done
}
claim the_target_outlives_a_killed_trapline killed
claim the_target_outlives_a_killed_trapline_while_threads_come_and_go killed churn
claim a_killed_trapline_leaves_the_few_calls_so_far killed_early
claim a_launched_program_outlives_a_killed_trapline killed_launched
claim trapline_may_be_killed_while_it_attaches killed_while_attaching
claim a_second_trapline_is_refused_and_told_of_the_first second
claim the_target_may_be_killed_while_trapline_attaches target_killed
finish
