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
# A guard sends a call that it has nothing to do with back to its own syscall instruction: a thread that waits is found
# in the library, where unwinders know their way.
waits_where_it_always_did() {
    local waiter
    start waiting "$TRAPLINE" record -q -f Py_BytesMain -d "$scratch/data" "$python" -c '
import select
print("ready", flush=True)
select.select([0], [], [])
print("done", flush=True)'
    waiter=$(pgrep -P "$target" | head -n 1)
    until_true 10 in_pselect "$waiter" || skip "select is another system call here: $(cat "/proc/$waiter/syscall")"
    "$python" - "$waiter" <<'PYTHON' || fail "it waits elsewhere"
import sys
ip = int(open(f"/proc/{sys.argv[1]}/syscall").read().split()[-1], 16)
parts = [[int(x, 16) for x in line.split()[0].split("-")]
         for line in open(f"/proc/{sys.argv[1]}/maps") if "/libc" in line]
low, high = min(part[0] for part in parts), max(part[1] for part in parts)
print(hex(ip), hex(low), hex(high)) # the page itself is a copy
sys.exit(not low <= ip < high)
PYTHON
    stop_target 0 'done'
}
in_pselect() {
    grep -q '^270 ' "/proc/$1/syscall"
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
claim handlers_run_with_sigtrap_blocked_by_the_mask_of_a_wait same -- "$(program masks)"
claim what_handlers_under_such_masks_call_is_exact exact "$(program masks)"
claim handlers_under_such_masks_with_libraries_traced same --libs -- "$(program masks)"
claim a_thread_waits_where_it_always_did waits_where_it_always_did
claim a_program_keeps_its_own_sigtrap_and_sigill same -- "$(program traps)"
claim a_program_keeps_its_own_sigtrap_with_libraries_traced same --libs -- "$(program traps)"
claim its_own_sigtrap_handler_runs_with_the_mask_it_asked_for same -- "$(program traps)" masks
claim a_program_single_steps_itself same -x on_step -- "$(program traps)" step
for how in int3 cd03 ud2 raise; do
    claim "dies_of_its_own_$how" dies "$how"
done
finish
