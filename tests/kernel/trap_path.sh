#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 60
#
# The first stage of the trap path in ring 0, on the objects of each image: it calls nothing outside itself before the
# int3 is resolved or declined, and nothing in it has a site (tests/tidy/trap_path.sh says how that is seen).
# shellcheck source=tests/kernel/shell.bash
. "$(dirname "$0")/shell.bash"
need readelf
make_kernels

# objects_of IMAGE: what it is linked from, the other frame left out.
objects_of() {
    local other=none
    [ "$1" = 32 ] && other=gap
    [ "$1" = 32-gap ] && other=move
    find "${KERNEL_FOLDER:-$O/kernel}/$1/kernel" "${KERNEL_FOLDER:-$O/kernel}/$1/port" \
        "$(dirname "${KERNEL_FOLDER:-$O/kernel}")/ring0-${1%%-*}" -name '*.o' 2>/dev/null | grep -v "/32/$other/"
}

for image in $images; do
    claim "$image"
    mapfile -t objects < <(objects_of "$image")
    [ ${#objects[@]} -gt 50 ] || complain "there are ${#objects[@]} objects"
    said=$(tests/tidy/trap_path.sh . "${objects[@]}") || complain "$said"
done
exit $bad
