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
    grep -q 'holds no calls' "$scratch/out" || fail "replay says: $(cat "$scratch/out")"
}
# Whatever a stub does instead of recording, a call finds what it left; the program looks itself.
registers_are_kept() {
    local VERB
    for VERB in count cover; do
        # A thread's first call goes another way; here it is one that looks.
        recorded -f 'r_*' -- "$(program registers)" || fail "$VERB: ended with $?: $(tail -n 3 "$scratch/traced.err")"
        recorded --libs -- "$(program registers)" || fail "$VERB, libs: ended with $?: $(tail -n 3 "$scratch/traced.err")"
        summary_lines
    done
}
# Session by session in one process, now records, now counts: stubs of the one do not do the other's work.
counts_and_records() {
    local VERB before after
    start busy "$(program busy)" 3
    for VERB in count record cover count cover cover count record record cover count; do
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
              and (row["max_ns"] == 0) == (sys.argv[3] != "record") and (row["calls"] == 1) == (sys.argv[3] == "cover")))
PYTHON
    done
    stop_target 0 'done'
}
# 'trapline cover': exactly the functions that the program says it called, of those that are asked for.
covered() {
    local functions VERB=cover
    for functions in '[frp]_*' '*'; do
        recorded -f "$functions" -- "$@" || fail "ended with $?: $(tail -n 3 "$scratch/traced.err")"
        report
        "$python" - "$scratch/report.json" "$scratch/traced.out" <<'PYTHON' || fail "not what was called"
import json, re, sys
rows = json.load(open(sys.argv[1]))["functions"]
found = {}
for row in rows:
    name = re.sub(r"\(.*\)( \[.*\])?$", "", row["name"])
    found[name] = max(found.get(name, 0), row["calls"])
wanted = {}
for line in open(sys.argv[2], errors="replace"):
    word = line.split()
    if len(word) == 3 and word[0] == "count":
        wanted[word[1]] = int(word[2])
bad = [name for name, count in wanted.items() if found.get(name, 0) != (count > 0)]
print(bad, {name: found.get(name) for name in bad}, sum(found.values()), "of", len(found))
sys.exit(bool(bad) or not wanted or not set(found.values()) <= {0, 1})
PYTHON
    done
}
# What forked children call is in, as gcov has it.
covered_children() {
    local VERB=cover
    recorded -f 'f_*' -- "$(program forks)" || fail "ended with $?: $(tail -n 3 "$scratch/traced.err")"
    report
    "$python" - "$scratch/report.json" <<'PYTHON' || fail "a function is missing"
import json, sys
rows = {row["name"]: row["calls"] for row in json.load(open(sys.argv[1]))["functions"]}
print(rows)
sys.exit(rows.get("f_child") != 1)
PYTHON
}
# Once called, a function has no site any more, while the others keep theirs.
cover_goes() {
    start busy "$(program busy)" 3
    VERB=cover
    "$TRAPLINE" cover -p "$target" -d "$scratch/data" -f 'f_*' >/dev/null 2>"$scratch/traced.err" {control}>&- &
    tracer=$!
    remember "$tracer"
    until_true 15 grep -qi attached "$scratch/traced.err" || fail "does not attach: $(cat "$scratch/traced.err")"
    until_true 15 text_of_busy_stands || fail "sites of called functions stay"
    goes_on
    kill -INT "$tracer"
    wait "$tracer" || fail "ended with $?"
    summary_lines
    text_is_the_files "$target"
    report
    "$python" - "$scratch/report.json" <<'PYTHON' || fail "not all are called"
import json, sys
rows = {row["name"]: row["calls"] for row in json.load(open(sys.argv[1]))["functions"]}
print(rows)
sys.exit(set(rows.values()) != {1} or len(rows) < 24)
PYTHON
    stop_target 0 'done'
}
text_of_busy_stands() {
    ! "$live/tools/text.py" "$target" | grep -q 'busy: '
}
covers_again_and_again() {
    local VERB=cover
    start busy "$(program busy)" 3 churn
    for _ in $(seq 1 "${TORTURE:-20}"); do
        attached 30ms
        text_is_the_files "$target"
        goes_on
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
# More functions than one batch takes.
crowd() {
    recorded -- "$(program crowd)" || fail "ended with $?: $(tail -n 3 "$scratch/traced.err")"
    summary_lines
    counted
    grep -qE 'traced 280,?[0-9]{3} of' "$scratch/traced.err" || fail "says: $(tail -n 2 "$scratch/traced.err")"
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
claim calls_among_280000_functions_are_exact crowd
claim count_is_exact_with_one_thread only_counted "$(program counts)" 1 50000
claim count_is_exact_with_thirty_threads only_counted "$(program counts)" 30 2000
claim count_is_exact_with_recursion only_counted "$(program recursion)"
claim count_is_exact_with_tail_calls only_counted "$(program tailcalls)"
claim count_is_exact_with_exceptions only_counted "$(program exceptions)"
claim count_is_exact_with_longjmp only_counted "$(program jumps)"
claim count_is_exact_with_coroutines_that_change_threads only_counted "$(program coroutines)" wander
claim count_is_exact_with_cancelled_threads only_counted "$(program cancel)"
claim count_is_exact_with_a_storm_of_threads only_counted "$(program threads)"
claim registers_and_flags_are_kept_by_count_and_cover registers_are_kept
claim counts_records_and_covers_take_turns counts_and_records
claim cover_tells_what_is_called covered "$(program counts)" 4 20000
claim cover_tells_what_is_called_with_recursion covered "$(program recursion)"
claim cover_tells_what_is_called_with_exceptions covered "$(program exceptions)"
claim cover_tells_what_is_called_with_a_storm_of_threads covered "$(program threads)"
claim cover_tells_what_children_call covered_children
claim covered_functions_are_the_files_again cover_goes
claim cover_comes_and_goes_while_threads_do covers_again_and_again
claim a_count_that_is_killed_leaves_the_target_unharmed count_is_killed
finish
