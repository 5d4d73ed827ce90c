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
finish
