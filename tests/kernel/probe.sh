#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# Probes in ring 0: their tests inside the kernel on both widths, both frames, 1 and 4 CPUs; and the console's command.
# shellcheck source=tests/kernel/shell.bash
. "$(dirname "$0")/shell.bash"
images=${KERNEL_IMAGES:-64 32 32-gap}
[ -n "${KERNEL_FOLDER-}" ] || make --no-print-directory O="$O" kernel >"$O/kernel.log" 2>&1 || { cat "$O/kernel.log"; exit 1; }

# boot IMAGE CPUS TESTS: every test passed.
boot() {
    local qemu="qemu-system-i386"
    [[ $1 == 64* ]] && qemu="qemu-system-x86_64"
    timeout 100 "$qemu" -kernel "$(kernel_image "$1")" -append "test=$3" -smp "$2" -m 64 -display none -no-reboot \
        -nodefaults -serial stdio -device isa-debug-exit,iobase=0x501,iosize=2 </dev/null >"$scratch/boot" 2>&1
    local status=$?
    if [ $status != 1 ]; then
        complain "$1, $2 CPUs, $3: status $status"
        cat "$scratch/boot"
    fi
}

for image in $images; do
    for cpus in 1 4; do
        boot "$image" "$cpus" every_kind_of_probe_tells_and_goes,probes_share_an_address_and_bytes
        boot "$image" "$cpus" only_instruction_starts_are_probed,what_cannot_be_probed_is_refused_by_name
        boot "$image" "$cpus" a_probe_within_a_handler_is_missed_and_executed,a_probe_on_an_ftrace_site_is_ftraces
        boot "$image" "$cpus" return_probes_are_bounded_and_exact,hits_are_exact_on_all_cpus
        boot "$image" "$cpus" "no_hit_is_lost_while_probes_come_and_go rounds=${ROUNDS:-15}"
        boot "$image" "$cpus" "interrupts_and_nmis_are_probed rounds=${ROUNDS:-8}"
        boot "$image" "$cpus" all_functions_at_once_can_be_probed
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
    printf 'probe probe_prey_jump+1\n' >&9
    wait_for 5 grep -q '^refused: no instruction begins there' "$scratch/console" || complain 'the middle of one is not refused'
    stop_kernel
done
exit $bad
