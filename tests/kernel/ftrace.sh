#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# ftrace in ring 0: its tests inside the kernel on both widths, both frames, 1 and 4 CPUs; and what the tracers print. On
# the objects: nothing that the tracer runs before it notices recursion carries a site.
# shellcheck source=tests/kernel/shell.bash
. "$(dirname "$0")/shell.bash"
make_kernels

tests() {
    passes 120 "$image" "$cpus" "test=$1"
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
        claim "$image, $cpus CPUs"
        tests the_graph_is_nested
        printed=$(tr -d '\r' <"$scratch/console" | sed -n 's/^ [0-9]*) *[0-9]* *[0-9]* |  //p')
        [ "$printed" = "$graph" ] || complain "the graph is printed as $printed"
        tests the_function_tracer_knows_callers,the_buffer_keeps_the_newest,what_the_tracer_runs_has_no_site
        tests a_backtrace_sees_through_trampolines,registers_and_functions_can_be_replaced
        tests counts_are_exact_on_all_cpus,all_functions_at_once_are_three_serialisations,all_returns_at_once
        tests a_thread_ends_with_returns_hooked
        tests "interrupts_and_nmis_are_traced rounds=4"
        tests "no_call_is_lost_while_sites_are_switched switches=${SWITCHES:-3000}"
    done
done

# By their first five bytes: nops where the compiler has left a place.
for image in $images; do
    for function in tli_ftrace_call tli_exit_hook tli_exit_return tli_ftrace_find tli_epoch_enter \
        tli_epoch_leave tl_trace_thread_end tl_ftrace_return_address tl_port_trace_thread tl_port_context tli_trap; do
        objdump -d --disassemble="$function" "$(kernel_symbols "$image")" | grep -A1 "<$function>:" |
            grep -qE ':[[:space:]]+90 |call .*__fentry__|^--' && complain "$image: $function() has a site"
    done
done
exit $bad
