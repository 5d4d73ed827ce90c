#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# ftrace in ring 0: its tests inside the kernel on both widths, both frames, 1 and 4 CPUs; and what the tracers print. On
# the objects: nothing that the tracer runs before it notices recursion carries a site.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${O:=$PWD/build}"
for tool in qemu-system-i386 qemu-system-x86_64; do
    command -v "$tool" >/dev/null || { echo "no $tool on this machine"; exit 77; }
done
images=${KERNEL_IMAGES:-64 32 32-gap}
folder=${KERNEL_FOLDER:-$O/kernel}
if [ -z "${KERNEL_FOLDER-}" ]; then
    make --no-print-directory O="$O" kernel >"$O/kernel.log" 2>&1 || { cat "$O/kernel.log"; exit 1; }
fi
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
bad=0

# boot IMAGE CPUS TESTS: what they print, with every test passed.
boot() {
    local qemu="qemu-system-i386"
    [[ $1 == 64* ]] && qemu="qemu-system-x86_64"
    timeout 120 "$qemu" -kernel "$folder/$1/boot.elf" -append "test=$3" -smp "$2" -m 64 -display none -no-reboot \
        -nodefaults -serial stdio -device isa-debug-exit,iobase=0x501,iosize=2 </dev/null >"$scratch/console" 2>&1
    local status=$?
    if [ $status != 1 ]; then
        echo "$1, $2 CPUs, $3: status $status"
        cat "$scratch/console"
        bad=1
    fi
}

# The calls of trace_prey_outer() as lines, without their numbers.
graph='trace_prey_outer() {
  trace_prey_inner() {
    trace_prey_leaf();
    trace_prey_leaf();
  } /* trace_prey_inner */
  trace_prey_leaf();
} /* trace_prey_outer */'

for image in $images; do
    for cpus in 1 4; do
        boot "$image" "$cpus" the_graph_is_nested
        printed=$(tr -d '\r' <"$scratch/console" | sed -n 's/^ [0-9]*) *[0-9]* *[0-9]* |  //p')
        [ "$printed" = "$graph" ] || { echo "$image: the graph is printed as"; echo "$printed"; bad=1; }
        boot "$image" "$cpus" the_function_tracer_knows_callers,the_buffer_keeps_the_newest,what_the_tracer_runs_has_no_site
        boot "$image" "$cpus" a_backtrace_sees_through_trampolines,registers_and_functions_can_be_replaced
        boot "$image" "$cpus" counts_are_exact_on_all_cpus,all_functions_at_once_are_three_serialisations,all_returns_at_once
        boot "$image" "$cpus" "interrupts_and_nmis_are_traced rounds=4"
        boot "$image" "$cpus" "no_call_is_lost_while_sites_are_switched switches=${SWITCHES:-3000}"
    done
done

# By their first five bytes: nops where the compiler has left a place.
for image in $images; do
    for function in tli_ftrace_call tli_exit_hook tli_exit_return tli_ftrace_find tli_epoch_enter \
        tli_epoch_leave tl_port_trace_thread tl_port_context tli_trap; do
        objdump -d --disassemble="$function" "$folder/$image/kernel.elf" | grep -A1 "<$function>:" |
            grep -qE ':[[:space:]]+90 |call .*__fentry__|^--' && { echo "$image: $function() has a site"; bad=1; }
    done
done
exit $bad
