#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# Each combination of the kernel's switches (ftrace, kprobes, kgdb) builds, on both widths, boots, and passes the tests
# that are left in it; so do the kernels that clang builds.
# shellcheck source=tests/kernel/shell.bash
. "$(dirname "$0")/shell.bash"

# all_of FOLDER IMAGE: all tests that it has, with small numbers.
all_of() {
    claim "$1/$2"
    KERNEL_FOLDER=$1 passes 60 "$2" 2 'test=all batches=2 singles=1 storms=1 switches=100 rounds=1'
    [ "$(grep -c '^PASS' "$scratch/console")" -ge 5 ] || complain 'runs next to no test'
}

variants=()
for width in 64 32; do
    for rooms in ftrace kprobes kgdb ftrace-no-kprobes ftrace-no-kgdb kprobes-no-kgdb ftrace-no-kprobes-no-kgdb; do
        variants+=("$width-no-$rooms")
    done
done
elves=("${variants[@]/#/$O/kernel/}")
make_kernels "${elves[@]/%//boot.elf}"
for variant in "${variants[@]}"; do
    all_of "$O/kernel" "$variant"
done

command -v clang >/dev/null || { echo "no clang on this machine"; exit $((bad ? 1 : 77)); }
make --no-print-directory CC=clang O="$O/clang" kernel >"$scratch/make" 2>&1 || { cat "$scratch/make"; exit 1; }
for image in $images; do
    all_of "$O/clang/kernel" "$image"
done
exit $bad
