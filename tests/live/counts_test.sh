#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Exact: a program that calls known functions known times, traced from its start, is reported with exactly these
# counts, nothing lost, entries and exits in pairs; whatever the way control leaves a function.
# shellcheck disable=SC2317  # functions are called by claim
# shellcheck source=tests/live/lib.bash
. "$(dirname "$0")/lib.bash"

loosely() {
    PAIRS=loose exact "$@"
}
# Of a millisecond at least: all of those, and of the short ones only what was held up.
long_calls() {
    recorded -t 1ms "$@" -- "$(program durations)" 4 100 || fail "ended with $?: $(tail -n 3 "$scratch/traced.err")"
    summary_lines
    report
    "$python" - "$scratch/report.json" "$scratch/traced.out" <<'PYTHON' || fail "the calls are not those that lasted"
import json, sys
report = json.load(open(sys.argv[1]))
rows = {row["name"]: row for row in report["functions"]}
said = dict(line.removeprefix("count ").rsplit(" ", 1) for line in open(sys.argv[2]))
shorts = sum(rows[name]["calls"] for name in ("f_short", "f_middle") if name in rows)
returned = [row for row in rows.values() if row["not_returned"] == 0]
least = min(row["min_ns"] for row in returned)
print({name: row["calls"] for name, row in rows.items()}, said, "least", least, "lost", report["lost"])
sys.exit(not (rows["f_long"]["calls"] == int(said["f_long"]) and rows["h_long"]["calls"] == int(said["h_long"]) > 0
              and least >= 1e6 and report["lost"] == 0 and shorts < int(said["short"]) / 100
              and len(returned) >= len(rows) - 1)) # _start
PYTHON
    paired
}
# 'trapline count': the program's own counts again, alone and among all functions; no calls are kept.
only_counted() {
    local status=${STATUS:-0} got functions VERB=count PAIRS=loose
    for functions in '[frp]_*' '*'; do
        recorded -f "$functions" -- "$@"
        got=$?
        [ "$got" = "$status" ] || fail "ended with $got: $(tail -n 3 "$scratch/traced.err")"
        summary_lines
        counted
    done
    "$TRAPLINE" replay -d "$scratch/data" >"$scratch/out" 2>&1 && fail "shows calls where only counts are"
    grep -q 'holds counts' "$scratch/out" || fail "replay says: $(cat "$scratch/out")"
}
# Session by session in one process, now records, now counts: stubs of the one do not do the other's work.
counts_and_records() {
    local VERB before after
    start busy "$(program busy)" 3
    for VERB in count record count count record record count; do
        before=$(rounds | cut -d' ' -f2)
        attached 200ms -f f_round
        after=$(rounds | cut -d' ' -f2)
        text_is_the_files "$target"
        report
        "$python" - "$scratch/report.json" "$((after - before))" "$VERB" <<'PYTHON' || fail "not what the target did"
import json, sys
report = json.load(open(sys.argv[1]))
row, = report["functions"]
print(sys.argv[3], row["calls"], "calls, at most", sys.argv[2], "max", row["max_ns"])
sys.exit(not (0 < row["calls"] <= int(sys.argv[2]) + 3 and report["lost"] == 0
              and (row["max_ns"] == 0) == (sys.argv[3] == "count")))
PYTHON
    done
    stop_target 0 'done'
}
# What is done while it is not known how a count ends: the tracer is killed, and the target goes on as ever.
count_is_killed() {
    start busy "$(program busy)" 3 churn
    "$TRAPLINE" count -p "$target" -d "$scratch/data" >/dev/null 2>"$scratch/traced.err" {control}>&- &
    tracer=$!
    remember "$tracer"
    until_true 15 grep -qi attached "$scratch/traced.err" || fail "does not attach: $(cat "$scratch/traced.err")"
    kill -KILL "$tracer"
    until_true 10 text_stands "$target" || fail "the text is not the file's again"
    goes_on
    VERB=count attached 200ms
    stop_target 0 'done'
}
text_stands() {
    (text_is_the_files "$1") 2>/dev/null
}
claim counts_of_one_thread_are_exact exact "$(program counts)" 1 50000
claim counts_of_four_threads_are_exact exact "$(program counts)" 4 20000
claim counts_of_thirty_threads_are_exact exact "$(program counts)" 30 2000
claim recursion_is_counted_call_by_call exact "$(program recursion)"
claim tail_calls_leave_and_enter exact "$(program tailcalls)"
claim exceptions_through_five_frames_are_exact exact "$(program exceptions)"
claim longjmp_over_frames_is_exact exact "$(program jumps)"
claim coroutines_keep_their_counts loosely "$(program coroutines)"
claim coroutines_that_change_threads_keep_their_counts loosely "$(program coroutines)" wander
claim cancelled_threads_are_exact exact "$(program cancel)"
claim a_storm_of_threads_is_exact exact "$(program threads)"
claim the_vdso_is_left_alone exact "$(program clocks)"
claim calls_of_at_least_a_time_are_exact long_calls
claim calls_of_at_least_a_time_fit_into_small_buffers long_calls --buffer 64K
claim calls_of_at_least_a_time_are_kept_by_the_flight_recorder long_calls --flight
claim count_is_exact_with_one_thread only_counted "$(program counts)" 1 50000
claim count_is_exact_with_thirty_threads only_counted "$(program counts)" 30 2000
claim count_is_exact_with_recursion only_counted "$(program recursion)"
claim count_is_exact_with_tail_calls only_counted "$(program tailcalls)"
claim count_is_exact_with_exceptions only_counted "$(program exceptions)"
claim count_is_exact_with_longjmp only_counted "$(program jumps)"
claim count_is_exact_with_coroutines_that_change_threads only_counted "$(program coroutines)" wander
claim count_is_exact_with_cancelled_threads only_counted "$(program cancel)"
claim count_is_exact_with_a_storm_of_threads only_counted "$(program threads)"
claim count_and_record_take_turns counts_and_records
claim a_count_that_is_killed_leaves_the_target_unharmed count_is_killed
finish
