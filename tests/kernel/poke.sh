#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 400
#
# No call is lost while its site is switched: over 100,000 switches with 4 CPUs on each image, fewer with one, and in a
# storm of NMIs and timer interrupts. Kernels that skip the instruction instead of emulating it fail, so the test can.
# And turning all functions off while all CPUs run through them ends, every time.
# shellcheck source=tests/kernel/shell.bash
. "$(dirname "$0")/shell.bash"

tests=test=no_call_is_lost,no_call_is_lost_in_a_storm
make_kernels "$O"/kernel/{64,32,32-gap}-skip/boot.elf
for image in $images; do
    for cpus in 1 4; do
        claim "$image, $cpus CPUs"
        run_kernel 150 "$image" "$cpus" "$tests batches=$((cpus == 4 ? 90 : 20)) storms=$((cpus == 4 ? 6 : 3))"
        status=$?
        grep -E 'switched|NMIs' "$scratch/console"
        [ "$status" = 1 ] || complain "status $status: $(cat "$scratch/console")"
        [ "$cpus" = 1 ] || awk '/sites switched/ { exit $3 < 100000 }' "$scratch/console" ||
            complain 'that is less than 100,000'
    done
    claim "$image-skip"
    run_kernel 150 "$image-skip" 4 "$tests batches=20 storms=5"
    [ $? = 3 ] && [ "$(grep -c '^FAIL .*made\[0\] == 0' "$scratch/console")" = 2 ] ||
        complain "does not fail both: $(cat "$scratch/console")"
done

for width in 32 64; do
    claim "$width bits"
    start_kernel "$width" 4
    command_ok 'prey start'
    for _ in 1 2 3 4 5 6; do
        command_ok 'trace functions *'
        command_ok 'trace off'
    done
    stop_kernel
done
exit $bad
