#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The command line as it is written down: options, what is said where, exit statuses, the shapes of JSON, the progress line.
# shellcheck disable=SC2317  # functions are called by claim
# shellcheck source=tests/live/lib.bash
. "$(dirname "$0")/../live/lib.bash"

options_are_named() {
    local verb option
    for verb in record live; do
        "$TRAPLINE" "$verb" --help >"$scratch/help" || fail "'$verb --help' ends with $?"
        for option in '-p, --pid' '-f, --func' '-x, --exclude' '-l, --libs' '-d, --data' '-t, --min-time' '-D, --depth' \
            --for --buffer --flight --color -v -q; do
            grep -q -e "$option" "$scratch/help" || fail "'$verb --help' lacks $option"
        done
    done
    for verb in count cover; do
        "$TRAPLINE" "$verb" --help >"$scratch/help" || fail "'$verb --help' ends with $?"
        for option in '-p, --pid' '-f, --func' '-x, --exclude' '-l, --libs' '-d, --data' --for --color -v -q; do
            grep -q -e "$option" "$scratch/help" || fail "'$verb --help' lacks $option"
        done
        for option in '-t 1ms' '-D 2' '--buffer 1M' --flight; do
            # shellcheck disable=SC2086  # two words
            "$TRAPLINE" "$verb" $option true >"$scratch/help" 2>&1
            [ $? = 125 ] && grep -q 'keep no calls' "$scratch/help" || fail "'$verb $option' says: $(cat "$scratch/help")"
        done
    done
    for verb in replay report list info; do
        "$TRAPLINE" "$verb" -h >"$scratch/help" || fail "'$verb -h' ends with $?"
    done
    "$TRAPLINE" --version | grep -qE '^trapline [0-9]' || fail "no version"
}
every_verb_knows_v_and_q() {
    recorded -q -- true || fail "record -q ends with $?"
    [ "$(wc -l <"$scratch/traced.err")" = 2 ] || fail "-q says more than two lines: $(cat "$scratch/traced.err")"
    summary_lines
    for verb in "report -d $scratch/data" "replay -d $scratch/data" "info -d $scratch/data" "list /bin/true"; do
        # shellcheck disable=SC2086  # words
        "$TRAPLINE" $verb -v -q >/dev/null || fail "$verb -v -q"
    done
    "$TRAPLINE" list --color never /bin/true >/dev/null || fail "list --color"
}
more_is_said() {
    recorded -v -- "$(program counts)" 1 10 || fail "record -v ends with $?"
    for words in 'planned [0-9]+ functions of 1 module' 'placed the agent' \
        'armed [0-9]+ sites by jump, [0-9]+ by trap; [0-9]+ refused, [0-9]+ guards; [0-9]+ batches, [0-9]+ membarriers'; do
        grep -qE "^trapline: $words" "$scratch/traced.err" || fail "-v does not say '$words': $(cat "$scratch/traced.err")"
    done
}
output_is_the_programs_own() {
    recorded -- sh -c 'echo out; exit 5'
    [ $? = 5 ] || fail "not the program's status"
    [ "$(cat "$scratch/traced.out")" = out ] || fail "trapline writes to standard output: $(cat "$scratch/traced.out")"
    # shellcheck disable=SC2016  # the inner shell expands
    recorded -- sh -c 'kill -TERM $$'
    [ $? = 143 ] || fail "not the status that a shell reports"
}
live_keeps_its_recording() {
    cd "$scratch" || exit 1
    bounded "$TRAPLINE" "$(program counts)" 1 10 >"$scratch/out" 2>"$scratch/err" || fail "ends with $?: $(cat "$scratch/err")"
    grep -q 'f_step()' "$scratch/out" || fail "shows no call"
    grep -q ' in trapline.data$' "$scratch/err" || fail "says: $(tail -n 1 "$scratch/err")"
    "$TRAPLINE" report | grep -q f_step || fail "the recording is not there"
    bounded "$TRAPLINE" "$(program counts)" 1 10 >/dev/null 2>&1
    [ -d trapline.data.old ] || fail "the first one is not kept"
}
colours_are_looked_at_first() {
    "$TRAPLINE" --color sometimes touch "$scratch/touched" >/dev/null 2>"$scratch/err"
    [ $? = 125 ] || fail "taken"
    grep -q "^trapline: --color .*'sometimes'" "$scratch/err" || fail "says: $(cat "$scratch/err")"
    [ ! -e "$scratch/touched" ] || fail "the program ran all the same"
    "$TRAPLINE" list --color sometimes /bin/true >/dev/null 2>&1
    [ $? = 125 ] || fail "taken by list"
}
json_has_its_shape() {
    recorded -- "$(program counts)" 1 10 || fail "cannot record"
    report
    "$TRAPLINE" list --json "$(program counts)" >"$scratch/list.json" || fail "list"
    "$TRAPLINE" info --json -d "$scratch/data" >"$scratch/info.json" || fail "info"
    "$python" - "$scratch" <<'PYTHON' || fail "another shape"
import json, sys
report, listed, info = (json.load(open(f"{sys.argv[1]}/{n}.json")) for n in ("report", "list", "info"))
def keys(row, wanted):
    missing = set(wanted.split()) - set(row)
    if missing:
        sys.exit(f"missing: {missing}")
keys(report, "threads events lost duration_ns functions")
for row in report["functions"]:
    keys(row, "name module calls total_ns self_ns min_ns avg_ns p50_ns p99_ns max_ns")
keys(listed, "functions coverage")
keys(listed["coverage"], "functions sled jump short trap none")
for row in listed["functions"]:
    keys(row, "name module address size entry exits why")
    assert row["entry"] in "sled jump short trap none".split() and row["exits"] in "site hook trap none".split()
    assert row["address"].startswith("0x")
keys(info, "command pid threads events lost")
PYTHON
}
# On a terminal, once the work takes over a second, for which it is stopped in the middle; and nowhere else.
progress_is_shown() {
    needs script
    local file large='' slowly
    for file in /usr/lib/llvm-14/lib/libLLVM-14.so.1 /usr/lib/x86_64-linux-gnu/libLLVM-14.so.1 /usr/bin/node; do
        [ -e "$file" ] && large=$file && break
    done
    [ -n "$large" ] || skip "no file that takes long is installed"
    # shellcheck disable=SC2016  # the inner shell expands
    slowly='"$1" list "$2" nothing_of_this_name & sleep 0.1; kill -STOP $!; sleep 1.3; kill -CONT $!; wait $!'
    bounded sh -c "$slowly" sh "$TRAPLINE" "$large" >/dev/null 2>"$scratch/err"
    grep -q 'nothing_of_this_name' "$scratch/err" || fail "it does not end: $(cat "$scratch/err")"
    ! grep -q planning "$scratch/err" || fail "a progress line in a file"
    bounded script -qec "sh -c '$slowly' sh '$TRAPLINE' '$large'" "$scratch/typescript" </dev/null >/dev/null
    grep -q "planning '.*$(basename "$large")'" "$scratch/typescript" || fail "nothing is shown: $(cat "$scratch/typescript")"
    bounded script -qec "'$TRAPLINE' list '$(program counts)' nothing_of_this_name" "$scratch/typescript" </dev/null >/dev/null
    ! grep -q planning "$scratch/typescript" || fail "shown for work of no time"
}

claim every_option_is_named_by_the_help options_are_named
claim every_verb_knows_v_q_and_color every_verb_knows_v_and_q
claim v_says_what_was_done more_is_said
claim standard_output_and_status_are_the_programs output_is_the_programs_own
claim live_keeps_its_recording live_keeps_its_recording
claim a_wrong_color_is_refused_before_anything_runs colours_are_looked_at_first
claim json_has_the_shape_that_is_written_down json_has_its_shape
claim a_progress_line_on_a_terminal progress_is_shown
finish
