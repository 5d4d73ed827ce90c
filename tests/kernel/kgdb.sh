#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 450
#
# Debian's gdb on the kernel's second serial port, both widths and both frames, 1 and 4 CPUs: breakpoints in functions
# that are traced and untraced under them, steps (over an int3 of the engine's: the instruction that it stands for),
# memory and registers both ways, hardware breakpoints and watchpoints, CPUs as threads, Ctrl-C, detaching and coming
# back. The kernel and its tracer go on working beside it.
# shellcheck source=tests/kernel/shell.bash
. "$(dirname "$0")/shell.bash"
need gdb

# gdb_run FILE: the commands of FILE, in one gdb; what it prints is in $scratch/gdb.log.
gdb_run() {
    timeout 90 gdb -nx -batch -ex 'set pagination off' -ex 'set confirm off' -ex 'set remotetimeout 30' \
        -ex "target remote $scratch/com2" -x "$1" "$(kernel_symbols "$width")" >"$scratch/gdb.log" 2>&1
}

gdb_says() {
    if ! grep -qE "$1" "$scratch/gdb.log"; then
        complain "gdb does not say '$1'"
        sed 's/^/    gdb: /' "$scratch/gdb.log" | tail -n 40
    fi
}

breakpoints_and_steps() {
    cat >"$scratch/commands" <<'END'
info threads
break prey_leaf
continue
backtrace
print $_exitcode
# again and again: the breakpoint is stepped over, and is back; each CPU stops in front of its addition
set $before = prey_sum
set $i = 0
while $i < 8
continue
set $i = $i + 1
end
printf "between stops %d\n", prey_sum > $before
# memory shows no int3 under the breakpoint
printf "under the breakpoint %x\n", *(unsigned char *)$pc != 0xcc
# an instruction
set $from = $pc
stepi
printf "stepped %d\n", $pc != $from && $pc - $from <= 15
# a line, and out
next
finish
delete
# memory and registers, both ways
set var prey_sum = 1000000
printf "written %d\n", prey_sum == 1000000
tbreak prey_leaf
continue
set $kept = $rax_or_eax
set $eax = 0x1234567
printf "register %x\n", $eax
print *(char *)16
printf "no address %d\n", 1
detach
END
    sed -i '/rax_or_eax/d' "$scratch/commands"
    gdb_run "$scratch/commands"
    gdb_says "^\* .*CPU 0|^  $cpus .*CPU $((cpus - 1))"
    gdb_says 'Breakpoint 1, prey_leaf'
    gdb_says '^#1 .* prey '
    gdb_says '^between stops 1$'
    gdb_says '^under the breakpoint 1$'
    gdb_says '^stepped 1$'
    gdb_says '^Run till exit|prey \(a='
    gdb_says '^written 1$'
    gdb_says '^register 1234567$'
    gdb_says '[Dd]etached'
}

# The debug registers; and reads of every size where nothing is.
hardware() {
    cat >"$scratch/commands" <<'END'
hbreak prey_leaf
continue
delete
watch prey_sum
continue
delete
awatch prey_sum
continue
delete
hbreak prey_leaf
continue
delete
python
bad = 0
for size in range(1, 9):
    try:
        gdb.selected_inferior().read_memory(16, size)
    except gdb.MemoryError:
        bad += 1
print("bad reads %d" % bad)
end
detach
END
    gdb_run "$scratch/commands"
    gdb_says 'Hardware assisted breakpoint 1, prey_leaf|^(Thread .* hit )?Breakpoint 1, prey_leaf'
    gdb_says '[Hh]ardware watchpoint 2: prey_sum'
    gdb_says '^Old value = [0-9]+'
    gdb_says '^New value = [0-9]+'
    gdb_says '[Hh]ardware access \(read/write\) watchpoint 3: prey_sum'
    gdb_says 'Hardware assisted breakpoint 4, prey_leaf|^(Thread .* hit )?Breakpoint 4, prey_leaf'
    gdb_says '^bad reads 8$'
    gdb_says '[Dd]etached'
}

# gdb's breakpoint stands at the very head of a function while that is traced and untraced: the engine finds the bytes it
# expects, gdb its breakpoint. Then an int3 of the engine's, in the place of a nop: gdb is shown the nop, and steps it.
beside_the_engine() {
    cat >"$scratch/commands" <<'END'
break *prey_rest
printf "running\n"
continue
backtrace 1
set $before = prey_sum
break *prey_nop
continue
printf "came to the nop %d\n", $pc == (unsigned long)&prey_nop && prey_sum >= $before + 2
printf "shows %x\n", *(unsigned char *)$pc
stepi
printf "stepped the trap %d\n", $pc == (unsigned long)&prey_nop + 1
delete
stepi
detach
END
    command_ok 'prey int3'
    rm -f "$scratch/gdb.log"
    gdb_run "$scratch/commands" &
    local runner=$!
    wait_for 10 grep -qs '^running' "$scratch/gdb.log" || complain 'gdb does not run the kernel'
    sleep 0.3
    command_ok 'trace functions prey_rest'
    command_ok 'trace off'
    command_ok 'trace functions prey_rest'
    command_ok 'prey rest'
    wait "$runner"
    command_ok 'trace off'
    command_ok 'trace show'
    console_says 'prey_rest <- prey_command'
    command_ok 'prey traps'
    console_says '^1 traps$'
    command_ok 'prey nop'
    gdb_says 'Breakpoint 1, .*prey_rest'
    gdb_says '^came to the nop 1$'
    gdb_says '^shows 90$'
    gdb_says '^stepped the trap 1$'
}

# What one of the two has, the other is refused: a probe where gdb's breakpoint stands; a breakpoint inside of what is
# patched, or in the trap path.
refusals() {
    printf '%s\n' 'break *prey_rest' 'printf "running\n"' continue delete detach >"$scratch/commands"
    rm -f "$scratch/gdb.log"
    gdb_run "$scratch/commands" &
    local runner=$!
    wait_for 10 grep -qs '^running' "$scratch/gdb.log" || complain 'gdb does not run the kernel'
    sleep 0.3
    printf 'probe prey_rest\n' >&9
    wait_for 10 console_shows "^refused: a debugger's breakpoint is there" || complain 'a probe beside a breakpoint'
    command_ok 'prey rest'
    wait "$runner"
    command_ok 'probe prey_rest'
    command_ok 'probe off'
    command_ok 'trace functions prey_leaf'
    cat >"$scratch/commands" <<'END'
python
for where in "(char *)prey_leaf+2", "tli_trap", "tl_port_text_write":
    gdb.execute("break *(%s)" % where)
    try:
        gdb.execute("continue")
    except gdb.error:
        pass
    gdb.execute("delete")
end
detach
END
    gdb_run "$scratch/commands"
    gdb_says '^Cannot insert breakpoint 1'
    gdb_says '^Cannot insert breakpoint 2'
    gdb_says '^Cannot insert breakpoint 3'
    command_ok 'trace off'
}
console_shows() {
    answer | grep -qE "$1"
}

# Ctrl-C, as a user types it: gdb's own SIGINT.
interrupt() {
    printf '%s\n' 'printf "running\n"' continue 'info threads' 'printf "stopped %d\n", 1' detach >"$scratch/commands"
    rm -f "$scratch/gdb.log"
    gdb_run "$scratch/commands" &
    local runner=$! child
    wait_for 5 grep -qs '^running' "$scratch/gdb.log" || complain 'gdb does not run the kernel'
    sleep 0.3
    child=$(pgrep -P "$(pgrep -P "$runner" -x timeout)" -x gdb)
    kill -INT "$child"
    wait "$runner"
    gdb_says 'SIGINT'
    gdb_says '^stopped 1$'
}

for config in 32:1 32:4 32-gap:4 64:1 64:4; do
    width=${config%:*} cpus=${config#*:}
    claim "$width bits, $cpus CPUs"
    start_kernel "$width" "$cpus"
    command_ok 'prey start'
    breakpoints_and_steps
    hardware
    beside_the_engine
    refusals
    interrupt
    command_ok 'echo still here'
    console_says '^still here'
    stop_kernel
done
exit $bad
