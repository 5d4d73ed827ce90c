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
finish
