#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 120
#
# The test of the frame contract that runs at each boot: a kernel whose frames break the contract does not come up, but
# says what is broken. Images *-lost lose what handlers do to the registers, *-astray have another stack pointer in them.
# That the others boot is what all tests here begin with.
# shellcheck source=tests/kernel/shell.bash
. "$(dirname "$0")/shell.bash"

broken=()
for image in $images; do
    broken+=("$O/kernel/$image-lost/boot.elf" "$O/kernel/$image-astray/boot.elf")
done
make_kernels "${broken[@]}"

says() {
    tr -d '\r' <"$scratch/console" | grep -qE "$1"
}

# dies IMAGE WORDS
dies() {
    claim "$1"
    boot_kernel "$1" 1
    wait_for 10 says '^halted' || complain 'does not end'
    says "^panic: $2\$" || complain "does not say '$2': $(cat "$scratch/console")"
    says '^  (frame_test|notify)\+0x' || complain "not in its test: $(cat "$scratch/console")"
    ! at_prompt || complain 'is at its prompt'
    stop_kernel
}

for image in $images; do
    dies "$image-lost" 'the call did not return behind the int3'
    dies "$image-astray" 'a register is not what it was when the trap came'
done
exit $bad
