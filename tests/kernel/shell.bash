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

# start_kernel IMAGE CPUS: returns at the prompt. Images are named as in the Makefile, by the width first.
start_kernel() {
    local qemu
    [ -f "$(kernel_image "$1")" ] || make --no-print-directory O="$O" kernel >/dev/null || exit 1
    case "$1" in
    32*) qemu="qemu-system-i386" ;;
    *) qemu="qemu-system-x86_64" ;;
    esac
    rm -f "$scratch"/{in,console,com2}
    mkfifo "$scratch/in"
    "$qemu" -kernel "$(kernel_image "$1")" -smp "$2" -m 64 -display none -no-reboot -nodefaults \
        -chardev stdio,id=console,signal=off -serial chardev:console \
        -chardev "socket,id=gdb,path=$scratch/com2,server=on,wait=off" -serial chardev:gdb \
        -device isa-debug-exit <"$scratch/in" >"$scratch/console" 2>"$scratch/qemu.log" &
    qemu_pid=$!
    exec 9>"$scratch/in"
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
