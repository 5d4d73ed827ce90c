#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# Probes in ring 0: their tests inside the kernel on both widths, both frames, 1 and 4 CPUs; and the console's command.
# shellcheck source=tests/kernel/shell.bash
. "$(dirname "$0")/shell.bash"
make_kernels

tests() {
    passes 100 "$image" "$cpus" "test=$1"
}

for image in $images; do
    for cpus in 1 4; do
        claim "$image, $cpus CPUs"
        tests every_kind_of_probe_tells_and_goes,probes_share_an_address_and_bytes
        tests only_instruction_starts_are_probed
        tests a_probe_within_a_handler_is_missed_and_executed,a_probe_on_an_ftrace_site_is_ftraces
        tests faults_of_probed_instructions_are_their_own,handlers_may_fault,an_invalid_opcode_is_a_jumps_or_a_fault
        tests return_probes_are_bounded_and_exact,a_return_handler_sees_who_is_returned_to
        tests hits_are_exact_on_all_cpus
        tests "no_hit_is_lost_while_probes_come_and_go rounds=${ROUNDS:-15}"
        tests "interrupts_and_nmis_are_probed rounds=${ROUNDS:-8}"
        tests all_functions_at_once_can_be_probed
        tests "all_rooms_change_the_same_function rounds=${ROUNDS:-3}"
    done
done

for image in $images; do
    claim "$image, the command"
    start_kernel "$image" 1
    command_ok 'probe prey_leaf'
    command_ok 'probe probe_prey_jump'
    command_ok 'probe prey_rest'
    command_ok 'prey rest'
    command_ok 'prey rest'
    command_ok 'probe list'
    console_says ' prey_leaf\+0x0/0x[0-9a-f]+ ftrace, 0 hits, 0 missed$'
    console_says ' prey_rest\+0x0/0x[0-9a-f]+ ftrace, 2 hits, 0 missed$'
    console_says ' probe_prey_jump\+0x0/0x[0-9a-f]+ jump, 0 hits, 0 missed$'
    command_ok 'probe off'
    command_ok 'probe list'
    [ -z "$(answer | grep hits)" ] || complain 'probes are left after probe off'
    stop_kernel
done
exit $bad
