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

claim a_storm_of_forks_goes_on_unharmed same -- "$(program forks)"
claim a_storm_of_forks_with_libraries_traced same --libs -- "$(program forks)" 60
claim children_find_the_signals_they_should same -- "$(program spawns)"
claim children_find_the_signals_they_should_with_libraries_traced same --libs -- "$(program spawns)"
claim calls_of_a_program_that_spawns_are_exact exact "$(program spawns)"
claim a_program_executes_itself same -- "$(program again)"
claim a_program_executes_itself_with_libraries_traced same --libs -- "$(program again)" 3
claim libraries_come_and_go plugin '' 300
claim libraries_come_and_go_while_traced plugin --libs 300
claim a_library_stays_while_others_load_it plugin --libs 200 keep
claim a_library_that_comes_later_is_traced plugin_is_seen
for how in return exit _exit abort segv term kill fpe thread leader; do
    claim "ends_as_ever_by_$how" ends "$how"
done
for how in undumpable close files filesize memory lock gs chdir user root; do
    claim "works_on_when_it_changes_$how" same -- "$(program settings)" "$how"
done
claim the_input_of_a_program_is_its_own input_is_its_own
claim the_shell_starts_programs_as_ever shell
finish
