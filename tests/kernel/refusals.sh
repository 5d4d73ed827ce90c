#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 120
#
# What ring 0 refuses, it refuses by name and with its text as it was: pokes, static keys and calls, probes, ftrace; no
# text, the middle of an instruction, the trap path, an overlap, other bytes, somebody else's place. On both widths and
# frames, 1 and 4 CPUs. And the console says why. A debugger's breakpoint in the way is in kgdb.sh.
# shellcheck source=tests/kernel/shell.bash
. "$(dirname "$0")/shell.bash"
need nm
make_kernels

tests=pokes_are_refused_by_name,what_is_poked_excludes_others
tests+=,places_of_keys_are_refused_by_name,static_calls_are_refused_by_name
tests+=,probes_are_refused_by_name,one_address_has_room_for_so_many,what_others_patch_is_not_probed
tests+=,what_is_probed_is_not_patched,what_has_changed_is_not_probed,one_may_change_ip_on_an_ftrace_site
tests+=,what_has_no_site_is_not_traced,registrations_are_refused_by_name,old_bytes_that_differ_refuse_the_batch

for image in $images; do
    for cpus in 1 4; do
        claim "$image, $cpus CPUs"
        passes 60 "$image" "$cpus" "test=$tests"
    done
done

# refused COMMAND SENTENCE
refused() {
    local before
    before=$(stat -c %s "$scratch/console")
    printf '%s\n' "$1" >&9
    wait_for 10 answered "$before" || complain "'$1' does not end"
    console_says "^refused: $2\$"
}
offset_in() {
    nm "$(kernel_symbols "$image")" |
        awk -v from="$1" -v to="$2" '$3 == from { a = $1 } $3 == to { b = $1 } END { print a, b }' |
        { read -r a b && echo $((16#$b - 16#$a)); }
}

for image in $images; do
    claim "$image, the console"
    start_kernel "$image" 1
    refused 'probe no_such_function' 'no function no_such_function'
    refused 'probe 0x10' 'no function is there'
    refused 'probe probe_prey_jump+1' 'no instruction begins there'
    refused 'probe tli_trap' 'breakpoints run through there'
    refused 'probe probe_refusal_prey+2' 'the instruction can be neither emulated nor moved'
    command_ok 'prey int3'
    refused "probe prey_rest+$(offset_in prey_rest prey_nop)" 'somebody else patches there'
    command_ok 'prey nop'
    refused 'trace functions no_such_function' 'no function of that name, or no tracer is on'
    refused 'trace functions tli_trap' 'no function of that name, or no tracer is on'
    command_ok 'trace functions prey_rest'
    refused 'trace graph prey_rest' 'a tracer is on'
    command_ok 'trace off'
    refused 'trace off' 'no function of that name, or no tracer is on'
    for _ in {1..16}; do
        command_ok 'probe prey_leaf+5'
    done
    refused 'probe prey_leaf+5' '16 probes are there already'
    command_ok 'probe off'
    command_ok 'probe list'
    [ -z "$(answer | grep hits)" ] || complain 'a refused probe is there'
    stop_kernel
done
exit $bad
