#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Whatever the way a jump gets into the code: exact counts with each tactic forced in turn, functions that compilers have
# left room in, and functions with less room than a jump.
# shellcheck disable=SC2317  # functions are called by claim
# shellcheck source=tests/live/lib.bash
. "$(dirname "$0")/lib.bash"

# forced TACTIC COMMAND...: with a trapline that records by that tactic wherever it can.
forced() {
    # shellcheck disable=SC2016  # for the script's shell
    printf '#!/bin/sh\nverb=$1\nshift\n[ "$verb" != record ] || set -- --tactic %s "$@"\nexec "%s" "$verb" "$@"\n' \
        "$1" "$TRAPLINE" >"$scratch/forced"
    chmod +x "$scratch/forced"
    TRAPLINE=$scratch/forced
    shift
    "$@"
}
without_pairs() {
    PAIRS=none exact "$@"
}
traps() {
    "$TRAPLINE" info --json -d "$scratch/data" | "$python" -c 'import json, sys; print(json.load(sys.stdin)["traps"])'
}
# all_by WORD PROGRAM: every function f_* of the program has its entry by that tactic.
all_by() {
    bounded "$TRAPLINE" list --json "$2" 'f_*' | "$python" -c '
import json, sys
rows = json.load(sys.stdin)["functions"]
others = [(row["name"], row["entry"]) for row in rows if row["entry"] != sys.argv[1]]
print(len(rows), "functions, not by", sys.argv[1], others)
sys.exit(not rows or len(others) != 0)' "$1" || fail "not every entry is a $1"
}
# sled NAME COMPILER FLAG...: compiled with room to be patched, it is found, and counted without a breakpoint.
sled() {
    local name=$1 built got
    command -v "$2" >/dev/null || skip "$2 is not installed"
    export LIVE_CC=$2
    shift 2
    built=$(variant counts "$name" "$@") || exit
    all_by sled "$built"
    exact "$built" 2 5000
    recorded -f 'f_*' --buffer 64M -- "$built" 2 5000
    got=$(traps)
    [ "$got" -le 8 ] || fail "$got breakpoints were hit"
}
# 10,000 calls of each, some of which come in by a branch into the middle of a jump: led past it.
little_room() {
    local got
    exact "$(program shorts)" 10000
    recorded -f 'f_*' --buffer 64M -- "$(program shorts)" 10000
    got=$(traps)
    [ "$got" -le 8 ] || fail "$got breakpoints were hit in 60000 calls"
}
# A stub of a session before serves again, but not where its branches led: the functions' numbers are others now.
old_stubs() {
    local way
    start busy "$(program busy)" 2
    for way in "-f f_toggle[56]*" "--tactic trap -f f_toggle*" "-f f_*"; do
        # shellcheck disable=SC2086  # words
        attached 30ms --buffer 16M $way
    done
    report
    "$python" -c '
import json, sys
rows = [row for row in json.load(open(sys.argv[1]))["functions"] if row["name"].startswith("f_toggle")]
wrong = [(row["name"], row["calls"], row["not_returned"]) for row in rows if row["not_returned"] > row["calls"] / 2]
print(len(rows), "functions, calls that never return:", wrong)
sys.exit(len(rows) < 36 or len(wrong) != 0)' "$scratch/report.json" || fail "exits are of other functions"
    stop_target 0 'done'
}
in_and_out() {
    start busy "$(program busy)" 2
    for _ in 1 2 3 4 5; do
        attached 20ms --buffer 1M -f 'f_*'
        text_is_the_files "$target"
        attached 20ms --buffer 1M -f 'f_*' --tactic short
        text_is_the_files "$target"
        attached 20ms --buffer 1M -f 'f_*' --tactic trap
        text_is_the_files "$target"
        attached 20ms --buffer 1M -f 'f_*' --tactic jump
        text_is_the_files "$target"
    done
    goes_on
    stop_target 0 'done'
}

for tactic in sled jump short trap; do
    claim "counts_are_exact_by_$tactic" forced $tactic exact "$(program counts)" 2 2000
    claim "every_form_runs_and_is_counted_by_$tactic" forced $tactic without_pairs "$(program forms)"
    claim "tail_calls_leave_and_enter_by_$tactic" forced $tactic exact "$(program recursion)"
    claim "exceptions_are_exact_by_$tactic" forced $tactic exact "$(program exceptions)"
    claim "registers_and_flags_are_kept_by_$tactic" forced $tactic without_pairs "$(program registers)"
done
claim functions_with_little_room_are_exact_and_quick little_room
claim old_stubs_lead_to_new_ones old_stubs
claim tactics_change_under_running_threads in_and_out
claim sleds_of_five_nops_are_patched sled nops gcc -fpatchable-function-entry=5
claim sleds_behind_endbr_are_patched sled nops_cet gcc -fcf-protection=full -fpatchable-function-entry=5
claim sleds_of_fentry_are_patched sled fentry gcc -fno-pie -no-pie -pg -mfentry -mnop-mcount
claim sleds_by_clang_are_patched sled clang_nops clang -fpatchable-function-entry=5
claim sleds_of_more_bytes_are_patched sled clang_more clang -fpatchable-function-entry=16,3
claim xray_sleds_are_patched sled xray clang -fxray-instrument -fxray-instruction-threshold=1
finish
