#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 120
#
# What becomes of an int3 that is no site's, and of the chain it is offered to: a task's is its SIGTRAP, notifiers can
# emulate a call, static keys and calls change under all CPUs. Both widths, both frames, 1 and 4 CPUs. And what the ways in
# and out take, in instructions: QEMU's clock counts these with -icount.
# shellcheck source=tests/kernel/shell.bash
. "$(dirname "$0")/shell.bash"
make_kernels

for image in $images; do
    for cpus in 1 4; do
        claim "$image, $cpus CPUs"
        passes 60 "$image" "$cpus" test=int3_of_ring_3_is_its_sigtrap,a_task_of_ring_3_is_preempted
        passes 60 "$image" "$cpus" test=a_notifier_can_emulate_a_call
        passes 60 "$image" "$cpus" test=keys_are_read_in_every_form,static_calls_go_where_they_are_set
        passes 60 "$image" "$cpus" "test=all_cpus_read_one_or_the_other switches=50"
    done
    passes 60 "$image" 1 test=frame_cost -icount shift=0
    read -r _ none _ _ _ one _ _ two _ < <(grep instructions: "$scratch/console")
    echo "$image: instructions an int3: $none, $one with a push, $two with two"
    [ "$none" -lt "$one" ] && [ "$one" -lt "$two" ] || complain 'a push costs nothing'
done
exit $bad
