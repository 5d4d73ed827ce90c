#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What bad input gets: one clear sentence on standard error that names the thing, the right exit status, nothing on
# standard output, and the program untouched.
# shellcheck disable=SC2317  # functions are called by claim
# shellcheck source=tests/live/lib.bash
. "$(dirname "$0")/lib.bash"

# refused STATUS PATTERN ARG...: 'trapline ARG...' ends so, with one line that begins "trapline: " and has the pattern.
refused() {
    local wanted=$1 pattern=$2 status
    shift 2
    RUN_SECONDS=20
    bounded "$TRAPLINE" "$@" >"$scratch/out" 2>"$scratch/err"
    status=$?
    [ "$status" = "$wanted" ] || fail "trapline $*: status $status instead of $wanted: $(head -n 3 "$scratch/err")"
    [ "$(wc -l <"$scratch/err")" = 1 ] || fail "trapline $*: not one line: $(head -n 5 "$scratch/err")"
    grep -qE "^trapline: .*($pattern)" "$scratch/err" || fail "trapline $*: says: $(cat "$scratch/err")"
    [ ! -s "$scratch/out" ] || fail "trapline $*: prints: $(head -n 3 "$scratch/out")"
}
record_refused() {
    local status=$1 pattern=$2
    shift 2
    rm -rf "$scratch/data"
    refused "$status" "$pattern" record -d "$scratch/data" "$@"
    [ ! -e "$scratch/data" ] || fail "trapline record $*: leaves a recording"
}

no_process() {
    local pid=99999999
    record_refused 125 "$pid.*no such process|no process.*$pid" -p "$pid"
    record_refused 125 'xyz' -p xyz
    record_refused 125 '0' -p 0
    record_refused 125 '-5' -p -5
}
a_process_that_has_ended() {
    local pid
    sleep 0 &
    pid=$!
    wait "$pid"
    record_refused 125 "$pid" -p "$pid"
}
not_ours() {
    needs setpriv
    [ "$(id -u)" = 0 ] || skip "only root can become another user"
    start busy "$(program busy)" 1
    mkdir -m 777 "$scratch/open"
    chmod 755 "$scratch"
    bounded setpriv --reuid 65534 --regid 65534 --clear-groups "$TRAPLINE" record -p "$target" -d "$scratch/open/data" \
        >"$scratch/out" 2>"$scratch/err"
    [ $? = 125 ] || fail "not refused: $(cat "$scratch/err")"
    grep -qE "^trapline: cannot attach to $target: .*(permission|not permitted|refused|root)" "$scratch/err" ||
        fail "says: $(cat "$scratch/err")"
    [ "$(wc -l <"$scratch/err")" = 1 ] || fail "not one line: $(cat "$scratch/err")"
    text_is_the_files "$target"
    goes_on
    stop_target 0 'done'
}
zombie() {
    "$python" -c 'import os, time
pid = os.fork()
if pid == 0: os._exit(0)
print(pid, flush=True)
time.sleep(20)' >"$scratch/zombie" &
    remember $!
    until_true 5 [ -s "$scratch/zombie" ]
    until_true 5 grep -q '^State:.*Z' "/proc/$(cat "$scratch/zombie")/status"
    record_refused 125 "$(cat "$scratch/zombie").*(zombie|has ended|defunct)" -p "$(cat "$scratch/zombie")"
}
kernel_thread() {
    local stat pid=
    for stat in /proc/[0-9]*/stat; do # flag PF_KTHREAD
        (($(sed 's/.*) //' "$stat" 2>/dev/null | cut -d' ' -f7) & 0x200000)) 2>/dev/null || continue
        pid=$(basename "$(dirname "$stat")")
        break
    done
    [ -n "$pid" ] || skip "no kernel thread is to be seen here"
    record_refused 125 "$pid.*kernel thread" -p "$pid"
}
thirty_two_bits() {
    local built
    built=$(variant counts counts32 -m32) || exit 77
    "$built" 1 1 >/dev/null || skip "this machine does not run 32-bit programs"
    record_refused 125 'counts32.*(32-bit|i386)' "$built" 1 1
    refused 125 'counts32.*(32-bit|i386)' list "$built"
}
thirty_two_bits_attached() {
    local built
    built=$(variant settings settings32 -m32) || exit 77
    "$built" none </dev/null >/dev/null || skip "this machine does not run 32-bit programs"
    start thirty_two "$built" none serve
    record_refused 125 "$target.*(32-bit|i386)|(32-bit|i386).*$target" -p "$target" --for 1s
    stop_target 0 worked
}

# ---- programs and files ----

no_program() {
    local status
    record_refused 127 '/nonexistent/program' /nonexistent/program
    record_refused 127 'no-such-program-here' no-such-program-here
    echo text >"$scratch/plain"
    record_refused 126 "$scratch/plain" "$scratch/plain"
    record_refused 126 "$scratch" "$scratch"
    head -c 200 "$(program counts)" >"$scratch/broken"
    chmod +x "$scratch/broken"
    RUN_SECONDS=20 recorded -- "$scratch/broken" # a shell may be asked to run it, as execvp does: no signal, no 0
    status=$?
    if [ "$status" = 0 ] || [ "$status" -ge 128 ]; then
        fail "a broken program: status $status: $(cat "$scratch/traced.err")"
    fi
}
foreign() {
    cp "$(program counts)" "$scratch/foreign"
    printf '\267\0' | dd of="$scratch/foreign" bs=1 seek=18 conv=notrunc status=none # EM_AARCH64
    refused 125 'foreign.*(aarch64|AArch64|x86-64|machine)' list "$scratch/foreign"
}
# Every cut and many flipped bytes of an ELF file: an answer or a sentence, never a signal, never over a few seconds.
damaged_elf() {
    local original size i status
    original=$(program counts)
    size=$(wc -c <"$original")
    for i in 0 1 4 16 52 63 64 100 500 1000 4096 $((size / 2)) $((size - 64)) $((size - 1)); do
        head -c "$i" "$original" >"$scratch/cut"
        timeout 10 "$TRAPLINE" list "$scratch/cut" >"$scratch/out" 2>"$scratch/err"
        status=$?
        [ "$status" = 0 ] || [ "$status" = 125 ] || fail "cut at $i: status $status"
        [ "$status" = 0 ] || grep -q '^trapline: .*cut' "$scratch/err" || fail "cut at $i: says $(cat "$scratch/err")"
    done
    head -c 100 "$original" >"$scratch/cut"
    refused 125 'cut' list "$scratch/cut"
    "$python" - "$original" "$scratch/flipped" "$TRAPLINE" <<'PYTHON' || fail "a damaged file does harm"
import random, subprocess, sys
original = open(sys.argv[1], "rb").read()
random.seed(1)
for attempt in range(60):
    data = bytearray(original)
    tables = int.from_bytes(original[40:48], "little")
    for _ in range(3):
        where = random.choice((random.randrange(64), random.randrange(64, 1000), random.randrange(tables, len(data))))
        data[where] = random.choice((0, 0xff, 0x7f, 0x80, random.randrange(256)))
    open(sys.argv[2], "wb").write(data)
    status = subprocess.run([sys.argv[3], "list", sys.argv[2]], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, timeout=20).returncode
    if status not in (0, 125):
        sys.exit(f"attempt {attempt}: status {status}")
PYTHON
}
no_match() {
    record_refused 125 "f_lea.*f_leaf" -f f_lea "$(program counts)" 1 10
    record_refused 125 "counts.*trapline list" -f 'nothing*' "$(program counts)" 1 10
    refused 125 "f_stp.*f_step" list "$(program counts)" f_stp
    start busy "$(program busy)" 1
    record_refused 125 "f_roundd.*f_round" -f f_roundd -p "$target"
    goes_on
    stop_target 0 'done'
}
options() {
    record_refused 125 'sideways' --sideways true
    record_refused 125 '5parsecs' --for 5parsecs true
    record_refused 125 '12Q' --buffer 12Q true
    record_refused 125 'PROG|program' # neither a program nor a process
    refused 125 'nonsense' report --sort nonsense -d "$scratch"
    record_refused 125 'PROG|both|program' -p $$ true
}

# ---- recordings ----

no_recording() {
    local verb
    for verb in replay report info; do
        refused 125 "$scratch/nowhere" "$verb" -d "$scratch/nowhere"
        refused 125 "$scratch/empty" "$verb" -d "$(mkdir -p "$scratch/empty" && echo "$scratch/empty")"
    done
}
damaged_recording() {
    recorded -- "$(program counts)" 2 500 || fail "cannot record"
    "$python" - "$scratch/data" "$scratch/harmed" "$TRAPLINE" <<'PYTHON' || fail "a damaged recording does harm"
import os, random, shutil, subprocess, sys
good, harmed, trapline = sys.argv[1:]
random.seed(2)
names = sorted(os.path.relpath(os.path.join(d, f), good) for d, _, files in os.walk(good) for f in files)
refused = 0
for attempt in range(90):
    shutil.rmtree(harmed, ignore_errors=True)
    shutil.copytree(good, harmed)
    path = os.path.join(harmed, names[attempt % len(names)])
    data = bytearray(open(path, "rb").read())
    if attempt % 3 == 0:
        data = data[:random.randrange(len(data) + 1)]
    elif attempt % 3 == 1 and data:
        for _ in range(5):
            data[random.randrange(min(len(data), 4096))] = random.randrange(256)
    else:
        data += os.urandom(random.randrange(200))
    open(path, "wb").write(data)
    for verb in ("report", "replay", "info"):
        run = subprocess.run([trapline, verb, "-d", harmed], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                             timeout=20)
        refused += run.returncode != 0
        if run.returncode not in (0, 125) or (run.returncode and not run.stderr.startswith(b"trapline: ")):
            sys.exit(f"{verb}, attempt {attempt} on {path}: status {run.returncode}, {run.stderr[:200]}")
print(refused, "of", 90 * 3, "refused")
PYTHON
}
unwritable() {
    record_refused 125 '/proc/nowhere' -d /proc/nowhere true
    echo text >"$scratch/file"
    record_refused 125 "$scratch/file/data" -d "$scratch/file/data" true
    start busy "$(program busy)" 1
    record_refused 125 '/proc/nowhere' -d /proc/nowhere -p "$target"
    text_is_the_files "$target"
    goes_on
    stop_target 0 'done'
}
# The disk is full while recording: the program ends as ever, trapline says so, what was written stays readable.
full_disk() {
    needs unshare
    unshare -m true 2>/dev/null || skip "no mount namespace to be had"
    mkdir -p "$scratch/small"
    export TRAPLINE scratch
    export program_under_test
    program_under_test=$(program counts)
    # shellcheck disable=SC2016  # the inner shell expands
    bounded unshare -m sh -c 'mount -t tmpfs -o size=1m none "$scratch/small" || exit 77
        "$TRAPLINE" record -d "$scratch/small/data" "$program_under_test" 2 400000 >"$scratch/out" 2>"$scratch/err"
        echo $? >"$scratch/status"
        "$TRAPLINE" report --json -d "$scratch/small/data" >"$scratch/report.json" 2>"$scratch/report.err"
        echo $? >>"$scratch/status"'
    [ $? != 77 ] || skip "no file system to be mounted"
    [ "$(sed -n 2p "$scratch/status")" = 0 ] || fail "what was recorded cannot be read: $(cat "$scratch/report.err")"
    grep -q '^trapline: .*\(No space left\|full\)' "$scratch/err" || fail "says: $(head -n 3 "$scratch/err")"
    grep -q 'count f_step 800000' "$scratch/out" || fail "the program did not go on: $(cat "$scratch/out")"
    grep -q '"f_step"' "$scratch/report.json" || fail "the report does not hold what was recorded"
}
old_recording_is_kept() {
    recorded -- "$(program counts)" 1 100 || fail "cannot record"
    "$TRAPLINE" record -d "$scratch/data" "$(program counts)" 1 200 >/dev/null 2>"$scratch/err" || fail "cannot record"
    [ -d "$scratch/data.old" ] || fail "no $scratch/data.old"
    "$TRAPLINE" report -d "$scratch/data.old" >"$scratch/out" || fail "the old recording cannot be read"
}

# Whatever little memory is left in the target: it is traced, or it is refused and keeps what it had.
no_memory_in_the_target() {
    needs prlimit
    local size left refused=0
    for left in 0 20000 100000 1000000 100000000 290000000 292000000 296000000 300000000 310000000 330000000; do
        start busy "$(program busy)" 1
        size=$(($(sed -n 's/^VmSize:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$target/status") * 1024))
        prlimit --pid "$target" --as=$((size + left)) || skip "its limit cannot be set"
        if record_for 100ms --buffer 64K; then
            summary_lines
        else
            [ $? = 125 ] || fail "with $left bytes left: $(cat "$scratch/traced.err")"
            grep -q "^trapline: cannot .* $target: .*memory" "$scratch/traced.err" ||
                fail "with $left bytes left: $(cat "$scratch/traced.err")"
            refused=$((refused + 1))
            until_true 2 not_mapped || fail "with $left bytes left the rings stay mapped"
        fi
        text_is_the_files "$target"
        goes_on
        stop_target 0 'done'
    done
    [ "$refused" -ge 4 ] || fail "refused only $refused times"
}
not_mapped() {
    ! grep -q trapline-ring "/proc/$target/maps"
}
# A write over the limit on the size of a file is as one to a full disk.
file_size_limit() {
    ulimit -S -f 300 # units of 1024 bytes
    recorded -- "$(program counts)" 2 100000
    [ $? = 125 ] || fail "ended otherwise: $(cat "$scratch/traced.err")"
    grep -q '^trapline: cannot write the recording: File too large' "$scratch/traced.err" ||
        fail "says: $(cat "$scratch/traced.err")"
    grep -q 'count f_step 200000' "$scratch/traced.out" || fail "the program did not go on: $(cat "$scratch/traced.out")"
    report
    grep -q '"f_step"' "$scratch/report.json" || fail "the report does not hold what was recorded"
}

# ---- somebody is there already ----

traced_by_gdb() {
    needs gdb
    start busy "$(program busy)" 1
    mkfifo "$scratch/gdb.in"
    gdb -nx -q -p "$target" <"$scratch/gdb.in" >"$scratch/gdb.out" 2>&1 &
    local gdb=$! tracer
    remember "$gdb"
    exec {gdb_control}>"$scratch/gdb.in"
    until_true 20 grep -q '^TracerPid:.*[1-9]' "/proc/$target/status" || skip "gdb cannot attach here"
    tracer=$(sed -n 's/^TracerPid:[^0-9]*//p' "/proc/$target/status")
    record_refused 125 "$tracer.*gdb|gdb.*$tracer" -p "$target"
    printf 'detach\nquit\n' >&"$gdb_control"
    until_true 20 ended "$gdb" || fail "gdb does not end"
    exec {gdb_control}>&-
    text_is_the_files "$target"
    goes_on
    stop_target 0 'done'
}
filtered() {
    start filtered "$(program filtered)" "$1"
    record_refused 125 "seccomp" -p "$target" --for 1s
    text_is_the_files "$target"
    ! grep -qE 'trapline-(agent|ring)' "/proc/$target/maps" || fail "something of trapline is mapped in the target"
    echo x >&"$control"
    stop_target 0 served
}
filters_itself() {
    same -x _fini -- "$(program filtered)" strict "$@" # its int3 would need rt_sigreturn, which the filter forbids
}
# The agent leaves before the filter reaches its thread.
filters_all_threads() {
    filters_itself all
    grep -q '^trapline: process [0-9]* .*seccomp.*recording ended' "$scratch/traced.err" ||
        fail "says: $(cat "$scratch/traced.err")"
}

claim no_such_process no_process
claim a_process_that_has_ended a_process_that_has_ended
claim a_process_of_somebody_else not_ours
claim a_zombie zombie
claim a_kernel_thread kernel_thread
claim a_32_bit_program thirty_two_bits
claim a_32_bit_process thirty_two_bits_attached
claim no_such_program_or_not_executable no_program
claim a_program_for_another_machine foreign
claim a_damaged_program damaged_elf
claim no_function_matches_and_the_nearest_is_named no_match
claim options_that_are_none options
claim no_recording no_recording
claim a_damaged_recording damaged_recording
claim a_folder_that_cannot_be_written unwritable
claim a_full_disk full_disk
claim a_limit_on_the_size_of_files file_size_limit
claim little_memory_in_the_target no_memory_in_the_target
claim an_old_recording_is_kept old_recording_is_kept
claim a_process_under_gdb_is_refused_and_gdb_named traced_by_gdb
for call in membarrier mmap clone memfd kill; do
    claim "a_seccomp_filter_against_${call}_is_refused" filtered "$call"
done
claim a_program_that_filters_itself_while_traced filters_itself
claim a_program_that_filters_itself_through_syscall filters_itself number
claim a_program_that_filters_all_its_threads filters_all_threads
finish
