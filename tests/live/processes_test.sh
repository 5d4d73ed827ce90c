#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Life happens to a program: it forks, executes, spawns, loads and unloads libraries, ends in every way there is; the
# same with and without trapline.
# shellcheck disable=SC2317  # functions are called by claim
# shellcheck source=tests/live/lib.bash
. "$(dirname "$0")/lib.bash"

ends() {
    same -- "$(program endings)" "$1"
}
# What PROG prints under 'record' goes where its own output goes, its input is its own.
input_is_its_own() {
    printf 'one\ntwo\n' >"$scratch/in"
    bounded "$TRAPLINE" record -d "$scratch/data" cat <"$scratch/in" >"$scratch/traced.out" 2>"$scratch/traced.err" ||
        fail "cat ended with $?"
    cmp "$scratch/in" "$scratch/traced.out" || fail "cat printed something else"
}
shell() {
    # shellcheck disable=SC2016  # the inner shell expands
    same -- sh -c 'for i in 1 2 3; do ls / | wc -l; (exit $i); echo $?; done; exit 9'
}
plugin() {
    local extra=$1
    shift
    cc -shared -fPIC -O2 -o "$scratch/plugin.so" "$live/library/plugin.c" || fail "the library does not compile"
    # shellcheck disable=SC2086  # options are words
    same $extra -- "$(program plugins)" "$scratch/plugin.so" "$@"
    [ "${2:-}" = stay ] || counted
}
# Functions of a library that is loaded while traced are recorded.
plugin_is_seen() {
    plugin --libs 0 stay
    report
    grep -q '"p_sort"' "$scratch/report.json" || fail "the library that came later was not traced"
}
# ... and when it is loaded again where it was, time after time.
plugin_returns() {
    cc -shared -fPIC -O2 -o "$scratch/plugin.so" "$live/library/plugin.c" || fail "the library does not compile"
    recorded --libs "$@" -- "$(program plugins)" "$scratch/plugin.so" 10 return || fail "ended with $?"
    report
    "$python" - "$scratch/report.json" "$(cut -d' ' -f1 "$scratch/traced.out")" <<'PYTHON' || fail "not traced anew"
import json, sys
rows = [row for row in json.load(open(sys.argv[1]))["functions"] if row["name"] == "p_sort"]
print(rows[0]["calls"], "of", sys.argv[2], "calls, in", len(rows), "rows")
sys.exit(len(rows) != 1 or rows[0]["calls"] < int(sys.argv[2]) * 0.3)
PYTHON
}
# Said in words, and the status is that of the program that it became.
executes() {
    recorded -- sh -c 'exec sleep 0.3; exit 3' || fail "ended with $?"
    grep -qE "^trapline: process [0-9]+ has executed '.*/sleep'; the recording ended there" "$scratch/traced.err" ||
        fail "says: $(cat "$scratch/traced.err")"
    summary_lines
    report
    recorded -- sh -c 'exec sh -c "sleep 0.3; exit 7"'
    [ $? = 7 ] || fail "not the status of the new program: $(cat "$scratch/traced.err")"
}
# What belongs to root in its /proc is handed to the agent by trapline.
changed() {
    [ "$(id -u)" = 0 ] || skip "only root can trace such a process"
    chmod 755 "$scratch"
    start settings "$(program settings)" "$1" serve
    attached 200ms
    text_is_the_files "$target"
    attached 100ms
    stop_target 0 worked
}
# The file that a process runs has been replaced, as an upgrade does.
replaced() {
    cp "$(program busy)" "$scratch/upgraded"
    start busy "$scratch/upgraded" 1
    cp "$(program counts)" "$scratch/new"
    mv "$scratch/new" "$scratch/upgraded"
    attached 200ms
    text_differs_not
    report
    grep -q '"f_round", "module": "upgraded"' "$scratch/report.json" || fail "the deleted program was not traced"
    goes_on
    stop_target 0 'done'
}
# So has a library. Who may not read what is mapped leaves it out and says so; root traces it.
library_replaced() {
    needs setpriv
    [ "$(id -u)" = 0 ] || skip "only root can become another user"
    local as
    chmod 755 "$scratch"
    mkdir -m 777 "$scratch/open"
    cc -shared -fPIC -O2 -o "$scratch/plugin.so" "$live/library/plugin.c" || fail "the library does not compile"
    start seldom setpriv --reuid 65534 --regid 65534 --clear-groups env LD_PRELOAD="$scratch/plugin.so" "$(program seldom)"
    cp "$(program counts)" "$scratch/new"
    mv "$scratch/new" "$scratch/plugin.so"
    attached 200ms --libs
    "$TRAPLINE" info -d "$scratch/data" | grep -q 'plugin\.so' || fail "root does not trace it: $(cat "$scratch/traced.err")"
    as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    bounded "${as[@]}" "$TRAPLINE" record -p "$target" -d "$scratch/open/data" --for 200ms --libs >"$scratch/out" 2>"$scratch/err" ||
        fail "ended with $?: $(cat "$scratch/err")"
    grep -q "^trapline: left out: .*plugin.so" "$scratch/err" || fail "does not say so: $(cat "$scratch/err")"
    text_is_the_files "$target"
    stop_target 0 'done'
}
text_differs_not() {
    ! grep -q 'not the file' "$scratch/traced.err" || fail "$(cat "$scratch/traced.err")"
}

# Libraries that come while the program runs are planned, which takes far longer than a ring lasts, beside the draining.
drained_while_libraries_come() {
    local python3=/usr/bin/python3
    [ -x $python3 ] || skip "no $python3"
    recorded -l -- $python3 -c 'import json, hashlib, ssl, decimal
for i in range(20000): json.dumps({"a": [1, 2, 3]})' || fail "ended with $?: $(tail -n 3 "$scratch/traced.err")"
    summary_lines
    report
    "$python" - "$scratch/report.json" <<'PYTHON' || fail "as much was lost as if nobody had drained"
import json, sys
report = json.load(open(sys.argv[1]))
print(report["events"], "events,", report["lost"], "lost")
sys.exit(report["events"] < 1e6 or report["lost"] > report["events"])
PYTHON
}
claim a_storm_of_forks_goes_on_unharmed same -- "$(program forks)"
claim a_storm_of_forks_with_libraries_traced same --libs -- "$(program forks)" 60
claim children_find_the_signals_they_should same -- "$(program spawns)"
claim children_find_the_signals_they_should_with_libraries_traced same --libs -- "$(program spawns)"
claim calls_of_a_program_that_spawns_are_exact exact "$(program spawns)"
claim a_program_executes_itself same -- "$(program again)"
claim a_program_executes_itself_with_libraries_traced same --libs -- "$(program again)" 3
claim a_process_that_has_changed_its_user_is_traced changed user
claim a_process_that_is_not_dumpable_is_traced changed undumpable
claim a_program_that_executes_another_is_said_to executes
claim a_program_whose_file_was_replaced_is_traced replaced
claim a_library_whose_file_was_replaced library_replaced
claim memory_is_unmapped_as_ever same -- "$(program unmaps)"
claim memory_is_unmapped_as_ever_with_libraries_traced same --libs -- "$(program unmaps)" 60
claim libraries_come_and_go plugin '' 300
claim libraries_come_and_go_while_traced plugin --libs 300
claim a_library_stays_while_others_load_it plugin --libs 200 keep
claim a_library_that_comes_later_is_traced plugin_is_seen
claim a_library_that_comes_back_is_traced_again plugin_returns
for how in return exit _exit abort segv term kill fpe thread leader; do
    claim "ends_as_ever_by_$how" ends "$how"
done
for how in undumpable close files filesize memory lock gs chdir user root; do
    claim "works_on_when_it_changes_$how" same -- "$(program settings)" "$how"
done
claim the_input_of_a_program_is_its_own input_is_its_own
claim the_shell_starts_programs_as_ever shell
claim rings_are_drained_while_libraries_come drained_while_libraries_come
finish
