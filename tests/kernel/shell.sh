#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 60
#
# The kernel's prompt: it is there within two seconds, edits its line, lists its commands and refuses others; a panic and
# a breakpoint that nobody owns end with registers and a backtrace by name. Both widths, 1 and 4 CPUs.
# shellcheck source=tests/kernel/shell.bash
. "$(dirname "$0")/shell.bash"

boots_in_time() {
    local began took_ms
    began=$(date +%s%N)
    start_kernel "$width" "$cpus"
    took_ms=$((($(date +%s%N) - began) / 1000000))
    echo "$claimed: at the prompt after $took_ms ms"
    [ "$took_ms" -lt 2000 ] || complain 'that is not under 2 s'
}

commands() {
    command_ok help
    console_says '^help '
    console_says '^echo '
    [ "$(answer | grep -vc '^ ')" -gt 3 ] || complain 'help lists next to nothing'
    command_ok 'echo a  b c'
    console_says '^a b c$'
    command_ok $'nonsense\x15echo wrX\x7fong' # ^U, and backspace
    console_says '^wrong$'
    printf 'nonsense\n' >&9
    wait_for 5 says_in_all '^refused' || complain 'a command that does not exist is not refused'
    command_ok threads
    [ "$(answer | grep -cE '^CPU [0-3]: [0-9]+ ticks')" = "$cpus" ] || complain 'threads does not know the CPUs'
    console_says '^ *[0-9]+ on CPU 0, running: shell$'
    command_ok 'symbol shell_run'
    console_says '^0x[0-9a-f]+ shell_run\+0x0/0x[0-9a-f]+$'
}

says_in_all() {
    tr -d '\r' <"$scratch/console" | grep -qE "$1"
}

# $1: the command that ends the kernel, $2: what it says, $3: a function that the backtrace names.
ends() {
    printf '%s\n' "$1" >&9
    wait_for 10 says_in_all '^halted' || complain "'$1' does not end in a panic"
    local pattern
    for pattern in "^panic: .*$2" "^  $3\\+0x" '^  shell_run\+0x' '^  shell\+0x'; do
        says_in_all "$pattern" || complain "the panic does not say '$pattern': $(tail -n 30 "$scratch/console")"
    done
}

for width in 32 64; do
    for cpus in 1 4; do
        claim "$width bits, $cpus CPUs"
        boots_in_time
        commands
        ends 'panic because' because panic_asked
        stop_kernel
        start_kernel "$width" "$cpus"
        ends int3 int3 int3_asked
        says_in_all '^  [er]ax ' || complain 'no registers'
        stop_kernel
    done
done
exit $bad
