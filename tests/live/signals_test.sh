#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Signals as they come: at a high rate, on alternate stacks, nested, blocked, waited for; and a program that uses
# SIGTRAP and SIGILL itself.
# shellcheck disable=SC2317  # functions are called by claim
# shellcheck source=tests/live/lib.bash
. "$(dirname "$0")/lib.bash"

dies() {
    same -- "$(program traps)" "$1"
}
# How many signals arrive differs from run to run; that its own checks hold shows in the status.
with_libraries() {
    recorded --libs -- "$(program signals)" 400 || fail "ended with $?: $(tail -n 5 "$scratch/traced.err")"
    summary_lines
}
attached_while_blocked() {
    start blocked "$(program blocked)" wait
    attached 500ms
    text_is_the_files "$target"
    stop_target 0 through
}
claim signals_at_a_high_rate_are_exact exact "$(program signals)" 400
claim signals_with_libraries_traced with_libraries
claim all_signals_blocked_from_the_start same -- "$(program blocked)" early
claim all_signals_blocked_later same -- "$(program blocked)" late
claim all_signals_blocked_by_a_bare_system_call same -- "$(program blocked)" raw
claim all_signals_blocked_with_libraries_traced same --libs -- "$(program blocked)" late
for how in early late raw; do
    claim "masks_are_read_back_as_set_$how" same -- "$(program blocked)" "$how" exactly
done
claim all_signals_blocked_before_attach attached_while_blocked
claim a_program_keeps_its_own_sigtrap_and_sigill same -- "$(program traps)"
claim a_program_keeps_its_own_sigtrap_with_libraries_traced same --libs -- "$(program traps)"
claim its_own_sigtrap_handler_runs_with_the_mask_it_asked_for same -- "$(program traps)" masks
claim a_program_single_steps_itself same -x on_step -- "$(program traps)" step
for how in int3 cd03 ud2 raise; do
    claim "dies_of_its_own_$how" dies "$how"
done
finish
