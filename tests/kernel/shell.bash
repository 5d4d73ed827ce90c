# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# For the tests that talk to the running kernel: starts it in QEMU, types commands, reads what it prints. The console is
# the first serial port, gdb's the second, a socket at $scratch/com2. Sourced; no test of its own.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
: "${O:=$PWD/build}"
export LC_ALL=C.UTF-8
# shellcheck disable=SC2034  # the tests read it
bad=0
qemu_pid=''
scratch=$(mktemp -d "${TMPDIR:-/tmp}/trapline-kernel.XXXXXX") || exit 1
trap 'stop_kernel; rm -rf "$scratch"' EXIT

need() {
    command -v "$1" >/dev/null || {
        echo "no $1 on this machine"
        exit 77
    }
}
need qemu-system-i386
need qemu-system-x86_64

claimed=''
claim() {
    claimed=$1
}
complain() {
    echo "$claimed: $*"
    bad=1
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
    local tries=$(($1 * 20))
    shift
    until "$@"; do
        [ $((tries -= 1)) -gt 0 ] || return 1
        sleep 0.05
    done
}

# What QEMU boots, and the same with names and lines for gdb.
kernel_image() {
    echo "${KERNEL_FOLDER:-$O/kernel}/$1/boot.elf"
}
kernel_symbols() {
    echo "${KERNEL_FOLDER:-$O/kernel}/$1/kernel.elf"
}

qemu_for() {
    case "$1" in
    32*) echo qemu-system-i386 ;;
    *) echo qemu-system-x86_64 ;;
    esac
}

# Images for the tests inside the kernel: KERNEL_IMAGES, in KERNEL_FOLDER if that is set.
images=${KERNEL_IMAGES:-64 32 32-gap}
make_kernels() {
    [ -n "${KERNEL_FOLDER-}" ] || make --no-print-directory O="$O" kernel "$@" >"$scratch/make" 2>&1 ||
        { cat "$scratch/make"; exit 1; }
}

# run_kernel SECONDS IMAGE CPUS WORDS [OPTION...]: boots it with these words on its command line; what it prints is in
# $scratch/console. The status is QEMU's: 1 if all tests have passed, 3 if one has not.
run_kernel() {
    local seconds=$1 image=$2 cpus=$3 words=$4
    shift 4
    timeout "$seconds" "$(qemu_for "$image")" -kernel "$(kernel_image "$image")" -append "$words" -smp "$cpus" -m 64 \
        -display none -no-reboot -nodefaults -serial stdio -device isa-debug-exit,iobase=0x501,iosize=2 "$@" \
        </dev/null >"$scratch/console" 2>&1
}

# passes SECONDS IMAGE CPUS WORDS [OPTION...]: the same; complains unless all tests have passed.
passes() {
    run_kernel "$@"
    local status=$?
    [ $status = 1 ] || complain "$2, $3 CPUs, $4: status $status: $(cat "$scratch/console")"
}

# boot_kernel IMAGE CPUS: returns at once. Images are named as in the Makefile, by the width first.
boot_kernel() {
    [ -f "$(kernel_image "$1")" ] || make_kernels
    rm -f "$scratch"/{in,console,com2}
    mkfifo "$scratch/in"
    "$(qemu_for "$1")" -kernel "$(kernel_image "$1")" -smp "$2" -m 64 -display none -no-reboot -nodefaults \
        -chardev stdio,id=console,signal=off -serial chardev:console \
        -chardev "socket,id=gdb,path=$scratch/com2,server=on,wait=off" -serial chardev:gdb \
        -device isa-debug-exit <"$scratch/in" >"$scratch/console" 2>"$scratch/qemu.log" &
    qemu_pid=$!
    exec 9>"$scratch/in"
}
# start_kernel IMAGE CPUS: returns at the prompt.
start_kernel() {
    boot_kernel "$@"
    wait_for 20 at_prompt && return
    complain 'the kernel does not come to its prompt'
    cat "$scratch/console" "$scratch/qemu.log"
    exit 1
}
at_prompt() {
    [ "$(tail -c 10 "$scratch/console" 2>/dev/null)" = 'trapline> ' ]
}

stop_kernel() {
    [ -n "$qemu_pid" ] || return 0
    exec 9>&-
    kill -KILL "$qemu_pid" 2>/dev/null
    wait "$qemu_pid" 2>/dev/null
    qemu_pid=''
}

# What the last command has printed, carriage returns removed.
answer() {
    tr -d '\r' <"$scratch/console" | awk '/^trapline> ./ { text = ""; next } { text = text $0 "\n" } END { printf "%s", text }'
}

# command_ok LINE: types it and waits for the next prompt; complains if it is refused.
command_ok() {
    local before
    before=$(stat -c %s "$scratch/console")
    printf '%s\n' "$1" >&9
    if ! wait_for 20 answered "$before"; then
        complain "'$1' does not end"
        tail -n 20 "$scratch/console"
    elif answer | grep -qE '^(refused|no such command)'; then
        complain "'$1' is refused: $(answer)"
    fi
}
answered() {
    [ "$(stat -c %s "$scratch/console")" -gt "$1" ] && at_prompt
}

console_says() {
    answer | grep -qE "$1" || {
        complain "the console does not say '$1' but:"
        answer | tail -n 20
    }
}
