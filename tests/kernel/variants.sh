#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# Each combination of the kernel's switches (ftrace, kprobes, kgdb) builds, on both widths, boots, and passes the tests
# that are left in it; so do the kernels that clang builds.
# shellcheck source=tests/kernel/shell.bash
. "$(dirname "$0")/shell.bash"

# boot FOLDER IMAGE: all tests that it has, with small numbers.
boot() {
    local qemu="qemu-system-i386"
    [[ $2 == 64* ]] && qemu="qemu-system-x86_64"
    claim "$1/$2"
    timeout 60 "$qemu" -kernel "$1/$2/boot.elf" -smp 2 -m 64 -display none -no-reboot -nodefaults \
        -append 'test=all batches=2 singles=1 storms=1 switches=100 rounds=1' -serial stdio \
        -device isa-debug-exit,iobase=0x501,iosize=2 </dev/null >"$scratch/console" 2>&1
    [ $? = 1 ] && [ "$(grep -c '^PASS' "$scratch/console")" -ge 5 ] || complain "$(cat "$scratch/console")"
}

variants=()
for width in 64 32; do
    for rooms in ftrace kprobes kgdb ftrace-no-kprobes ftrace-no-kgdb kprobes-no-kgdb ftrace-no-kprobes-no-kgdb; do
        variants+=("$width-no-$rooms")
    done
done
# shellcheck disable=SC2046
make --no-print-directory O="$O" $(printf "$O/kernel/%s/boot.elf " "${variants[@]}") >"$scratch/make" 2>&1 ||
    { cat "$scratch/make"; exit 1; }
for variant in "${variants[@]}"; do
    boot "$O/kernel" "$variant"
done

command -v clang >/dev/null || { echo "no clang on this machine"; exit $((bad ? 1 : 77)); }
make --no-print-directory CC=clang O="$O/clang" kernel >"$scratch/make" 2>&1 || { cat "$scratch/make"; exit 1; }
for image in 64 32 32-gap; do
    boot "$O/clang/kernel" "$image"
done
exit $bad
