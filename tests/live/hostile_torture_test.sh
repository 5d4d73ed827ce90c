#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Programs at their worst are attached to and left, and trapline itself is killed at any moment, again and again: the
# program goes on, every result is right, every byte of text is the file's. TORTURE: how often each (4; kills 20).
# timeout: 3600
# shellcheck disable=SC2317  # functions are called by claim
# shellcheck source=tests/live/lib.bash
. "$(dirname "$0")/lib.bash"

: "${TORTURE:=4}" "${KILLS:=20}"

# hostile KIND OPTION...
hostile() {
    local kind=$1 i
    shift
    "$live/build" "$live/library/plugin.c" "$scratch/plugin.so" -shared -fPIC || fail "the library does not compile"
    start hostile "$(program hostile)" "$kind" "$scratch/plugin.so"
    for i in $(seq 1 "$TORTURE"); do
        attached 200ms "$@"
        text_is_the_files "$target"
        goes_on
    done
    stop_target 0 'done'
}
text_came_back() {
    until_true "$1" "$live/tools/text.py" "$target" quiet
}
# At a random moment of attaching, recording and leaving.
killed_at_any_moment() {
    local i slow=0 wait_ms
    start busy "$(program busy)" 2 "$@"
    for i in $(seq 1 "$KILLS"); do
        rm -rf "$scratch/data"
        "$TRAPLINE" record -p "$target" -d "$scratch/data" --for 100ms >/dev/null 2>"$scratch/traced.err" {control}>&- &
        tracer=$!
        remember "$tracer"
        wait_ms=$((RANDOM % 500))
        sleep "0.$(printf '%03d' "$wait_ms")"
        kill -KILL "$tracer" 2>/dev/null
        wait "$tracer" 2>/dev/null
        if ! text_came_back 1; then
            slow=$((slow + 1))
            text_came_back 5 || fail "text differs six seconds after kill -9 at $wait_ms ms, time $i"
        fi
        goes_on
    done
    echo "$KILLS kills, the text came back later than in a second: $slow times"
    attached 200ms
    text_is_the_files "$target"
    stop_target 0 'done'
}

for kind in jumps threads forks spawns throws libraries; do
    claim "a_program_full_of_${kind}_is_attached_to_and_left" hostile "$kind"
    claim "a_program_full_of_${kind}_is_traced_with_its_libraries" hostile "$kind" -l
    claim "a_program_full_of_${kind}_is_sampled_with_its_libraries" hostile "$kind" -l --sample 1/3
done
claim trapline_may_be_killed_at_any_moment killed_at_any_moment
claim trapline_may_be_killed_at_any_moment_while_threads_come_and_go killed_at_any_moment churn
finish
