#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# --sample 1/N: of N calls one is recorded, of every function its share, and that one whole; however control leaves a
# function. What a program sees is as ever.
# shellcheck disable=SC2317  # functions are called by claim
# shellcheck source=tests/live/lib.bash
. "$(dirname "$0")/lib.bash"

# part N PROGRAM ARG...: each function's share; each exit belongs to an entry.
part() {
    local n=$1
    shift
    same --sample "1/$n" --buffer 64M -f '[frp]_*' -- "$@"
    report
    # shellcheck disable=SC2086  # words
    "$live/tools/sampled.py" "$scratch/report.json" "$scratch/traced.out" "$n" "${SLACK:-10}" ${DEEP:-} || fail "not one call in $n"
    whole
}
# Entries and exits pair; what did not return is not looked at.
whole() {
    needs babeltrace2
    "$live/tools/pairs.py" "$scratch/data" /dev/null || fail "entries and exits do not pair"
}
# The same for programs that leave functions without a return.
left() {
    same --sample "1/$1" --buffer 64M -- "${@:2}"
    grep -q ', 0 lost' "$scratch/traced.err" || fail "$(tail -n 1 "$scratch/traced.err")"
    whole
}
# What signal handlers call is sampled, too, and the numbers of the handlers' calls differ from run to run.
interrupted() {
    recorded --sample "1/$1" --buffer 64M -f '[fh]_*' -- "${@:2}" || fail "ended with $?: $(tail -n 3 "$scratch/traced.err")"
    report
    "$live/tools/sampled.py" "$scratch/report.json" "$scratch/traced.out" "$1" || fail "not one call in $1"
    whole
}
# Children of vfork share the parent's memory, those of fork do not.
children() {
    same --sample 1/3 --buffer 64M -- "$(program forks)"
    whole
    same --sample 1/3 -- "$(program spawns)"
    whole
}
long_calls() {
    recorded --sample 1/3 -t 1ms "$@" -- "$(program durations)" 3 60 || fail "ended with $?: $(tail -n 3 "$scratch/traced.err")"
    report
    "$python" -c '
import json, sys
rows = json.load(open(sys.argv[1]))["functions"]
print({row["name"]: (row["calls"], row["min_ns"]) for row in rows})
calls = {row["name"]: row["calls"] for row in rows}
sys.exit(not (all(row["min_ns"] >= 1e6 for row in rows if row["calls"] > row["not_returned"]) and
              20 <= calls["f_long"] <= 110))' "$scratch/report.json" || fail "not the long calls' share"
    whole
}
# With a flight recorder, and what it dumps.
dumped() {
    start flight "$(program flight)" cycle 3
    rm -rf "$scratch"/data*
    attach_in_background --flight --sample 1/1000 -f 'f_*'
    sleep 0.5
    kill -USR2 "$tracer"
    until_true 20 grep -q "into $scratch/data.1$" "$scratch/traced.err" || fail "no dump: $(cat "$scratch/traced.err")"
    kill -INT "$tracer"
    wait "$tracer" || fail "trapline ended with $?"
    "$TRAPLINE" report --json -d "$scratch/data.1" | grep -q '"one_in": 1000,' || fail "the dump does not say its part"
    whole
    rm -rf "$scratch/data"
    mv "$scratch/data.1" "$scratch/data"
    whole
    stop_target 0 'done'
}
# A process keeps its stubs: those of sessions that sampled, recorded and counted take turns.
turns() {
    local i
    start busy "$(program busy)" 3
    for i in 1 2 3; do
        attached 200ms --sample 1/7 -f 'f_*'
        grep -q ', 0 lost' "$scratch/traced.err" || fail "$(cat "$scratch/traced.err")"
        report
        grep -q '"one_in": 7,' "$scratch/report.json" || fail "$(head -n 1 "$scratch/report.json")"
        attached 100ms -f 'f_*' --flight
        bounded "$TRAPLINE" count -p "$target" -d "$scratch/data" --for 100ms -q -f 'f_*' >/dev/null 2>&1 || fail "count fails"
        attached 200ms --sample 1/1000000 -f 'f_*'
        attached 200ms --sample 1/1000 -f 'f_*'
        report
        grep -q '"f_round"' "$scratch/report.json" || fail "no f_round"
        text_is_the_files "$target"
        goes_on
    done
    stop_target 0 'done'
}
trapped() {
    recorded --sample 1/5 --tactic trap -f '[frp]_*' -- "$(program counts)" 2 4000 || fail "ended with $?"
    report
    "$live/tools/sampled.py" "$scratch/report.json" "$scratch/traced.out" 5 || fail "not one call in 5"
    whole
}
says() {
    recorded --sample 1/100 -- "$(program counts)" 1 20000 || fail "ended with $?"
    "$TRAPLINE" report -d "$scratch/data" 2>&1 >/dev/null | grep -q '^trapline: one call in 100 was recorded' || fail "report says nothing"
    "$TRAPLINE" info -d "$scratch/data" | grep -qE '^sample +one call in 100$' || fail "info says nothing"
    "$TRAPLINE" info --json -d "$scratch/data" | grep -q '"one_in": 100' || fail "info --json says nothing"
    "$TRAPLINE" replay -d "$scratch/data" | grep -q f_leaf || fail "replay fails"
}
# refused WORDS OPTION...: one sentence, and the program does not run.
refused() {
    local words=$1 status
    shift
    rm -rf "$scratch/data"
    "$TRAPLINE" "$@" -d "$scratch/data" touch "$scratch/ran" >"$scratch/out" 2>&1
    status=$?
    [ "$status" = 125 ] || fail "$*: ended with $status"
    [ "$(wc -l <"$scratch/out")" = 1 ] || fail "$*: not one line: $(cat "$scratch/out")"
    grep -qF -e "$words" "$scratch/out" || fail "$*: says $(cat "$scratch/out")"
    [ ! -e "$scratch/ran" ] || fail "$*: the program ran"
    [ ! -e "$scratch/data" ] || fail "$*: there is a recording"
}
refusals() {
    local value
    for value in 10 1/1 1/0 1/1000001 1/-5 1/ /5 2/5 1/5x '1/ 5' 1/99999999999999999999 '' half; do
        refused '1/N with N from 2 to 1000000' record --sample "$value"
    done
    refused 'do not go together' record --sample 1/5 -D 3
    refused '--sample' count --sample 1/5
}

for n in 2 6 10 1000; do
    claim "one_call_in_${n}_is_recorded" part "$n" "$(program counts)" 4 20000
done
# No more than 64 of a thread's sampled calls are open at a time.
DEEP='f_even f_odd f_deep' claim one_call_in_ten_of_a_recursion part 10 "$(program recursion)"
claim one_call_in_seven_of_tail_calls part 7 "$(program tailcalls)"
SLACK=60 claim one_call_in_three_of_a_storm_of_threads part 3 "$(program threads)"
claim one_call_in_three_with_handlers interrupted 3 "$(program signals)" 200
claim one_call_in_five_by_breakpoints trapped
for program in exceptions jumps cancel; do
    claim "calls_left_by_${program}_pair" left 3 "$(program $program)"
done
claim children_of_a_sampled_program children
claim registers_flags_and_red_zone_are_kept_by_one_in_two left 2 "$(program registers)"
claim registers_flags_and_red_zone_are_kept_by_one_in_fifty left 50 "$(program registers)"
claim backtraces_are_the_same left 2 "$(program backtraces)"
claim programs_with_libraries_sampled same --libs --sample 1/10 -- "$(program registers)"
claim of_long_calls_one_in_three long_calls
claim of_long_calls_one_in_three_in_a_flight_recorder long_calls --flight
claim a_flight_recorder_samples dumped
claim samples_records_and_counts_take_turns turns
claim it_is_said_that_it_is_a_part says
claim wrong_parts_are_refused refusals
finish
