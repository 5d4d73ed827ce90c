#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The flight recorder: when a program crashes, the last events of every thread are there, to the last; on SIGUSR2 what the
# rings hold is written as a recording of its own, while they are being overwritten; and the program does not notice.
# timeout: 400
# shellcheck disable=SC2317  # functions are called by claim
# shellcheck source=tests/live/lib.bash
. "$(dirname "$0")/lib.bash"
tool=$live/tools/flight.py

# A ring of 128K has four chunks: two that are whole, one that is being written, one that is overwritten next.
least=$((2 * 4095))
small=(--flight --buffer 128K -f 'f_*')

# crashes HOW: its last calls, and its status; replay shows those that it did not return from as open.
crashes() {
    local plain traced
    needs babeltrace2
    bounded "$(program flight)" "$1" 3 20000 >"$scratch/plain.out" 2>&1
    plain=$?
    recorded "${small[@]}" -- "$(program flight)" "$1" 3 20000
    traced=$?
    [ "$plain" = "$traced" ] || fail "ends with $traced instead of $plain: $(tail -n 5 "$scratch/traced.err")"
    summary_lines
    "$tool" end "$scratch/data" "$scratch/traced.out" "$least" || fail "its last calls are not there"
    "$TRAPLINE" replay -d "$scratch/data" --color never >"$scratch/replay" || fail "replay fails"
    [ "$(grep -cE '(f_inner|f_outer|f_park)\(\) \{' "$scratch/replay")" = 5 ] ||
        fail "not five open calls in the replay: $(tail -n 8 "$scratch/replay")"
    if grep -qE '/\* f_(inner|outer|park) ' "$scratch/replay"; then fail "a call is closed that never returned"; fi
    "$TRAPLINE" info -d "$scratch/data" | grep -E '^events .* 0 lost, at most [0-9,]+ overwritten' ||
        fail "$("$TRAPLINE" info -d "$scratch/data")"
}
# The core is hardly larger than ever, and gdb finds in it where the program was.
leaves_its_core() {
    needs gdb
    case "$(cat /proc/sys/kernel/core_pattern)" in [!/]*[!%a-z.-]* | /* | \|*) skip "cores do not go into the folder" ;; esac
    ulimit -c unlimited 2>/dev/null || skip "no cores here"
    local bytes=()
    for how in plain traced; do
        mkdir "$scratch/$how"
        cd "$scratch/$how" || fail
        if [ "$how" = plain ]; then
            bounded "$(program flight)" segv 3 20000 >/dev/null 2>&1
        else
            bounded "$TRAPLINE" record "${small[@]}" -d "$scratch/data" "$(program flight)" segv 3 20000 >/dev/null 2>&1
        fi
        ls core* >/dev/null 2>&1 || skip "no core is written here"
        bytes+=("$(du -k core* | cut -f1)") # pages that were never touched are holes
        gdb -batch -nx -ex bt "$(program flight)" core* 2>/dev/null >"$scratch/$how.bt"
        grep -q 'f_inner' "$scratch/$how.bt" && grep -q 'f_outer' "$scratch/$how.bt" || fail "$how: $(cat "$scratch/$how.bt")"
        cd / || fail
    done
    echo "core: ${bytes[0]} kB, traced ${bytes[1]}"
    [ "${bytes[1]}" -lt $((bytes[0] + 1024)) ] || fail "a core of ${bytes[1]} kB instead of ${bytes[0]}"
}
# Killed at any moment while its threads fill rings: half of a chunk may be zeroed.
killed_under_load() {
    local i
    needs babeltrace2
    for i in $(seq 1 6); do
        start flight "$(program flight)" cycle 16
        attach_in_background "${small[@]}"
        sleep "0.$(printf '%03d' $((100 + i * 17)))"
        kill -KILL "$target"
        wait "$tracer" || fail "trapline ended with $?: $(cat "$scratch/traced.err")"
        grep -q ', 0 lost' "$scratch/traced.err" || fail "$(cat "$scratch/traced.err")"
        "$tool" cycle 16 "$scratch/data" || fail "its last calls are not there"
        exec {control}>&-
    done
}

fresh() {
    rm -rf "$scratch"/data*
}
# dump: asks for one and waits until it is written: $dumped of them.
dumped=0
dump() {
    dumped=$((dumped + 1))
    kill -USR2 "$tracer"
    until_true 30 eval "[ \$(grep -c '^trapline: dumped' '$scratch/traced.err') -ge $dumped ]" ||
        fail "no dump: $(cat "$scratch/traced.err")"
    tail -n 1 "$scratch/traced.err" | grep -qE "^trapline: dumped [0-9,]+ events in .*, into $scratch/data\.$dumped$" ||
        fail "says: $(tail -n 1 "$scratch/traced.err")"
}
detach() {
    kill -INT "$tracer"
    wait "$tracer" || fail "trapline ended with $?: $(cat "$scratch/traced.err")"
    summary_lines
}
# What the rings hold when nothing is overwritten: all. And the end is as if no dump had been. No round is under way
# while sites go in or out, each at its own moment: it would have some of its events and not others.
dumps_are_complete() {
    fresh
    needs babeltrace2
    start flight "$(program flight)" cycle 3 nap
    attach_in_background --flight -f 'f_*'
    echo go >&"$control"
    sleep 0.5
    dump
    sleep 0.5
    dump
    stop_target 0 'done'
    wait "$tracer" || fail "trapline ended with $?: $(cat "$scratch/traced.err")"
    summary_lines
    "$tool" cycle 3 "$scratch/data.1" "$scratch/data.2" "$scratch/data" || fail "not the calls"
    for i in .1 .2 ''; do "$TRAPLINE" replay -d "$scratch/data$i" --color never >"$scratch/replay$i" || fail "replay fails"; done
    # The first events of all three are the same.
    cmp <(head -n 100 "$scratch/replay.1") <(head -n 100 "$scratch/replay.2") || fail "the second dump begins otherwise"
    cmp <(head -n 100 "$scratch/replay.1") <(head -n 100 "$scratch/replay") || fail "the recording begins otherwise"
    "$TRAPLINE" info -d "$scratch/data.1" | grep -qE '^events +[0-9,]+, 0 lost$' || fail "$("$TRAPLINE" info -d "$scratch/data.1")"
}
# Again and again under full load. Once more than the two processors there are: threads are preempted anywhere.
dumps_under_load() {
    fresh
    local i names=()
    needs babeltrace2
    start flight "$(program flight)" cycle 4
    attach_in_background "${small[@]}"
    sleep 0.5 # until each of them has had a processor
    for i in $(seq 1 "${TORTURE:-25}"); do
        dump
        names+=("$scratch/data.$i")
        "$TRAPLINE" report --json -d "$scratch/data.$i" >"$scratch/report.json" || fail "report fails"
        "$TRAPLINE" info -d "$scratch/data.$i" | grep -E '^events .* 0 lost' || fail "$("$TRAPLINE" info -d "$scratch/data.$i")"
    done
    detach
    "$tool" cycle 4 "${names[@]}" || fail "a dump is not what the threads did"
    report
    text_is_the_files "$target"
    stop_target 0 'done'
}
# With a least time an event may go again while it is read: what is left pairs all the same.
dumps_of_long_calls() {
    local i
    needs babeltrace2
    fresh
    "$TRAPLINE" record --flight --buffer 128K -f 'f_*' -t 100us -d "$scratch/data" "$(program durations)" 3 3000 \
        >"$scratch/traced.out" 2>"$scratch/traced.err" &
    tracer=$!
    remember "$tracer"
    until_true 10 pgrep -P "$tracer" || fail "does not start"
    sleep 0.3
    for i in 1 2 3 4 5 6 7 8; do
        dump
        "$live/tools/pairs.py" "$scratch/data.$i" /dev/null || fail "dump $i does not pair"
        "$TRAPLINE" report --json -d "$scratch/data.$i" | "$python" -c '
import json, sys
rows = json.load(sys.stdin)["functions"]
print({row["name"]: row["calls"] for row in rows})
sys.exit(any(row["calls"] > row["not_returned"] and row["min_ns"] < 99000 for row in rows))' || fail "a call in dump $i is too short"
    done
    kill -TERM "$tracer" # which hands it on
    wait "$tracer"
    summary_lines
}
# What is there is not overwritten; with -q nothing is said.
dumps_take_free_names() {
    fresh
    start flight "$(program flight)" cycle 1
    mkdir "$scratch/data.1"
    echo mine >"$scratch/data.2"
    attach_in_background --flight --buffer 256K
    kill -USR2 "$tracer"
    until_true 20 grep -q "into $scratch/data.3$" "$scratch/traced.err" || fail "$(cat "$scratch/traced.err")"
    [ -z "$(ls "$scratch/data.1")" ] && [ "$(cat "$scratch/data.2")" = mine ] || fail "touched what was there"
    detach
    stop_target 0 'done'
}
dumps_of_a_launched_program() {
    fresh
    start flight "$TRAPLINE" record "${small[@]}" -d "$scratch/data" "$(program flight)" cycle 2
    tracer=$target
    until_true 10 test -e "$scratch/data/metadata" || fail "does not record"
    sleep 0.3
    kill -USR2 "$tracer"
    until_true 20 grep -q "into $scratch/data.1$" "$said.errors" || fail "$(cat "$said.errors")"
    "$TRAPLINE" report -d "$scratch/data.1" | grep -q f_round || fail "nothing in it"
    stop_target 0 'done'
}
# Where none can be had, one sentence says so, and nobody dies of it.
refused() {
    fresh
    start flight "$(program flight)" cycle 1
    attach_in_background
    kill -USR2 "$tracer"
    until_true 10 grep -q '^trapline: nothing is dumped: .*--flight' "$scratch/traced.err" || fail "$(cat "$scratch/traced.err")"
    detach
    [ ! -e "$scratch/data.1" ] || fail "a dump is there"
    report
    stop_target 0 'done'
}
no_place() {
    fresh
    start flight "$(program flight)" cycle 1
    attach_in_background --flight --buffer 256K
    mv "$scratch/data" "$scratch/moved"
    # A limit of files: the dump fails, the recording does not.
    prlimit --pid "$tracer" --fsize=1000:
    kill -USR2 "$tracer"
    until_true 10 grep -q '^trapline: cannot write the dump' "$scratch/traced.err" || fail "$(cat "$scratch/traced.err")"
    prlimit --pid "$tracer" --fsize=unlimited:
    detach
    mv "$scratch/moved" "$scratch/data"
    "$TRAPLINE" report -d "$scratch/data" | grep -q f_round || fail "no recording"
    stop_target 0 'done'
}

for how in segv abort kill thread; do
    claim "the_last_calls_before_a_crash_are_there_by_$how" crashes "$how"
done
claim a_crash_leaves_its_core leaves_its_core
claim a_program_killed_under_load_leaves_its_last_calls killed_under_load
claim a_dump_holds_what_the_rings_hold dumps_are_complete
claim dumps_under_load_are_what_the_threads_did dumps_under_load
claim dumps_of_long_calls_pair dumps_of_long_calls
claim dumps_take_free_names dumps_take_free_names
claim a_launched_program_is_dumped dumps_of_a_launched_program
claim without_flight_a_dump_is_refused refused
claim a_dump_that_cannot_be_written_is_told no_place
finish
