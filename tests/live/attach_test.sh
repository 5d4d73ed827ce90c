#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Attach to a running process and leave it again: no thread stops, no call is lost, every byte of text is the file's,
# and nothing is left that grows. TORTURE: how often it is attached to and left (20).
# shellcheck disable=SC2317  # functions are called by claim
# shellcheck source=tests/live/lib.bash
. "$(dirname "$0")/lib.bash"

: "${TORTURE:=20}"

one_second() {
    start busy "$(program busy)" 3 "$@"
    goes_on
    attached 1s
    text_is_the_files "$target"
    goes_on
    report
    "$python" - "$scratch/report.json" <<'PYTHON' || fail "the report is not of a busy target"
import json, sys
report = json.load(open(sys.argv[1]))
calls = {row["name"]: row["calls"] for row in report["functions"]}
print("threads", report["threads"], "ns", report["duration_ns"], "functions", len(calls))
sys.exit(not (report["threads"] >= 3 and calls.get("f_round", 0) > 100
              and sum(name.startswith("f_toggle") for name in calls) == 36 and 0.5e9 < report["duration_ns"] < 5e9))
PYTHON
    stop_target 0 'done'
}
# The thread that is chosen to be held ends before it can be.
threads_live_for_moments() {
    start moments "$(program moments)"
    for _ in $(seq 1 30); do
        attached 10ms
    done
    text_is_the_files "$target"
    goes_on
    stop_target 0 'done'
}
says_when() {
    start busy "$(program busy)" 1
    attached 200ms
    grep -qi 'attached' "$scratch/traced.err" || fail "does not say that it attached: $(cat "$scratch/traced.err")"
    grep -qi 'detached' "$scratch/traced.err" || fail "does not say that it detached: $(cat "$scratch/traced.err")"
    stop_target 0 'done'
}
# Three serialisations a batch, whatever its size; one for a program that has not run yet.
serialisations() {
    start busy "$(program busy)" 1
    attached 100ms
    barriers_are 3
    stop_target 0 'done'
    recorded -- "$(program counts)" 1 100 || fail "ended with $?"
    barriers_are 1
}
barriers_are() {
    "$TRAPLINE" info --json -d "$scratch/data" >"$scratch/info" || fail "no info"
    "$python" - "$scratch/info" "$1" <<'PYTHON' || fail "not $1 a batch"
import json, sys
info = json.load(open(sys.argv[1]))
print(info["batches"], "batches,", info["membarriers"], "membarriers")
sys.exit(not 0 < info["batches"] < 4 or info["membarriers"] != int(sys.argv[2]) * info["batches"])
PYTHON
}
# What lies within 2 GB of text is for stubs: neither the agent nor the rings may, of whatever size.
lies_far_away() {
    local buffer
    start busy "$(program busy)" 1
    for buffer in 1M 4M 4M 2M; do
        attached 100ms --buffer "$buffer"
        "$python" - "$target" <<'PYTHON' || fail "memory of ours lies close to the program's text"
import sys
text, ours = [], []
for line in open(f"/proc/{sys.argv[1]}/maps"):
    fields = line.split()
    part = [int(x, 16) for x in fields[0].split("-")]
    if "memfd:trapline" in line:
        ours.append(part)
    elif "x" in fields[1] and len(fields) > 5 and fields[5].startswith("/"):
        text.append(part)
near = [(hex(a), hex(c)) for a, b in ours for c, d in text if a < d + (1 << 31) and c < b + (1 << 31)]
print(len(ours), "mappings of ours,", len(text), "of text; near:", near)
sys.exit(bool(near) or not ours or not text)
PYTHON
    done
    stop_target 0 'done'
}
# Stubs that can retract short calls and stubs that cannot serve the same sites, session by session.
least_times_change() {
    local least
    start busy "$(program busy)" 2
    for least in 0ns 1s 0ns 2s 1us 0ns; do
        attached 200ms -t "$least"
        text_is_the_files "$target"
        goes_on
        report
        "$python" - "$scratch/report.json" "$least" <<'PYTHON' || fail "with -t $least the report holds other calls"
import json, sys
rows = json.load(open(sys.argv[1]))["functions"]
calls = sum(row["calls"] for row in rows if row["name"].startswith("f_toggle") and not row["not_returned"])
print(sys.argv[2], len(rows), "functions,", calls, "calls of f_toggle*")
sys.exit(calls < 2400 if sys.argv[2] == "0ns" else calls > 100 if sys.argv[2][-2:] != "us" else 0)
PYTHON
    done
    stop_target 0 'done'
}
# ^C ends a recording as --for does: detached, readable, status 0.
interrupted() {
    start busy "$(program busy)" 2
    attach_in_background
    sleep 0.2
    kill -INT "$tracer"
    until_true 15 ended "$tracer" || fail "does not end after ^C"
    wait "$tracer"
    local status=$?
    [ "$status" = 0 ] || fail "ended with $status after ^C"
    summary_lines
    text_is_the_files "$target"
    report
    stop_target 0 'done'
}
# The target ends while it is traced: so does trapline, with what was recorded.
target_ends() {
    start busy "$(program busy)" 2
    attach_in_background
    stop_target 0 'done'
    until_true 15 ended "$tracer" || fail "does not end with its target"
    summary_lines
    report
}

# ---- what grows ----

# The rings lie in one place; a ring that a thread has is open, its neighbours are not: pieces of one mapping.
measure() {
    printf 'maps %d ' "$(awk '{ split($1, at, "-") }
        !(/trapline-ring/ && at[1] == end) { count++ }
        { end = at[2] }
        END { print count }' "/proc/$1/maps")"
    printf 'fds %d ' "$(find "/proc/$1/fd" -mindepth 1 | wc -l)"
    printf 'threads %d ' "$(find "/proc/$1/task" -mindepth 1 -maxdepth 1 | wc -l)"
    printf 'rss_kb %d\n' "$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status")"
}
again_and_again() {
    local i early late
    start busy "$(program busy)" 2 "$@"
    for i in $(seq 1 "$TORTURE"); do
        attached 20ms --buffer 256K
        [ "$i" != $((TORTURE / 2)) ] || early=$(measure "$target")
    done
    late=$(measure "$target")
    echo "after $((TORTURE / 2)) times: $early, after $TORTURE: $late"
    text_is_the_files "$target"
    goes_on
    "$python" - "$early" "$late" <<'PYTHON' || fail "the target grows: $early, then $late"
import sys
early, late = ({k: int(v) for k, v in zip(*[iter(text.split())] * 2)} for text in sys.argv[1:])
# A thread or child of its own may be there at the one moment and not at the other.
sys.exit(late["maps"] > early["maps"] + 8 or late["fds"] > early["fds"] + 2 or late["threads"] > early["threads"] + 2
         or late["rss_kb"] > early["rss_kb"] + 4096)
PYTHON
    stop_target 0 'done'
}
# The target counts its threads from 1. option: where it finds /proc, if it is not ours.
in_a_pid_namespace() {
    local parent
    needs unshare
    unshare -pf true 2>/dev/null || skip "no pid namespace to be had"
    start busy unshare -pf "$@" "$(program busy)" 2 churn
    parent=$target
    target=$(cat "/proc/$parent/task/$parent/children")
    target=${target% }
    remember "$target"
    for _ in 1 2 3; do
        attached 300ms --buffer 1M
        goes_on
        report
        "$python" - "$scratch/report.json" <<'PYTHON' || fail "not the calls of the target"
import json, sys
report = json.load(open(sys.argv[1]))
calls = {row["name"]: row["calls"] for row in report["functions"]}
print("threads", report["threads"], "rounds", calls.get("f_round"))
sys.exit(not (report["threads"] >= 3 and calls.get("f_round", 0) > 100))
PYTHON
        text_is_the_files "$target"
    done
    target=$parent
    stop_target 0 'done'
}
# Threads that are asleep in a stub since the session before make their store while the next one begins, which is held
# up where its memory is half made: there is memory for it at every moment.
asleep_in_a_stub() {
    local tracer parking slow=()
    start busy "$(program busy)" 9
    attach_in_background --buffer 256K
    mkfifo "$scratch/park"
    "$(program park)" "$target" 8 <"$scratch/park" >"$scratch/park.said" {control}>&- &
    remember $!
    exec {parking}>"$scratch/park"
    until_true 30 has_line "$scratch/park.said" parked || fail "cannot park threads"
    cat "$scratch/park.said"
    grep -q 'parked [4-8]' "$scratch/park.said" || skip "too few threads can be parked"
    kill -INT "$tracer"
    until_true 15 ended "$tracer" || fail "does not end after ^C"
    command -v strace >/dev/null &&
        slow=(strace -qq -f -o "$scratch/strace" -e trace=ftruncate -e inject=ftruncate:delay_exit=1000000)
    echo go 1600 >&"$parking"
    bounded "${slow[@]}" "$TRAPLINE" record -p "$target" -d "$scratch/second" --buffer 256K --for 500ms \
        >"$scratch/traced.out" 2>"$scratch/traced.err" {parking}>&- || fail "$(cat "$scratch/traced.err")"
    exec {parking}>&-
    goes_on
    text_is_the_files "$target"
    stop_target 0 'done'
}
threads_of() {
    find "/proc/$1/task" -mindepth 1 -maxdepth 1 | wc -l
}
threads_are() {
    [ "$(threads_of "$1")" = "$2" ]
}
nothing_is_left() {
    local before after
    start busy "$(program busy)" 2
    before=$(find "/proc/$target/fd" -mindepth 1 | wc -l)/$(threads_of "$target")
    grep -E '^(Sig(Blk|Ign|Cgt)|CapEff|Seccomp:|TracerPid)' "/proc/$target/status" >"$scratch/status.before"
    attached 200ms
    until_true 5 threads_are "$target" "${before#*/}"
    after=$(find "/proc/$target/fd" -mindepth 1 | wc -l)/$(threads_of "$target")
    [ "$before" = "$after" ] || fail "descriptors/threads were $before, are $after"
    grep -E '^(Sig(Blk|Ign|Cgt)|CapEff|Seccomp:|TracerPid)' "/proc/$target/status" >"$scratch/status.after"
    diff "$scratch/status.before" "$scratch/status.after" || fail "signals or rights of the target changed"
    if grep -E ' rwx[ps] ' "/proc/$target/maps"; then fail "memory is writable and executable"; fi
    stop_target 0 'done'
}
never_writable_and_executable() {
    local tracer found=0
    start busy "$(program busy)" 2
    record_for 700ms &
    tracer=$!
    remember "$tracer"
    until ended "$tracer"; do
        grep -qE ' rwx[ps] ' "/proc/$target/maps" && found=1
    done
    [ "$found" = 0 ] || fail "memory was writable and executable at once"
    wait "$tracer" || fail "trapline ended with $?"
    stop_target 0 'done'
}
# The longest time between two loop iterations of a thread, untraced and while it is attached to: a figure for the log;
# a machine under load makes it what it likes. Only a standstill fails.
no_thread_stops() {
    local plain traced held
    start busy "$(program busy)" 2
    echo g >&"$control"
    sleep 0.5
    plain=$(rounds | cut -d' ' -f4)
    echo g >&"$control"
    attached 300ms
    traced=$(rounds | cut -d' ' -f4)
    held=$("$TRAPLINE" info -d "$scratch/data" | grep -iE 'held' | head -n 1)
    echo "longest gap of a thread: $((plain / 1000)) us untraced, $((traced / 1000)) us attached to and left; $held"
    [ -n "$held" ] || fail "'info' does not say how long a thread was held"
    [ "$traced" -lt 1000000000 ] || fail "a thread stood still for $((traced / 1000000)) ms"
    stop_target 0 'done'
}
stopped_target() {
    local status
    start busy "$(program busy)" 2
    kill -STOP "$target"
    until_true 5 grep -q '^State:.*T (stopped)' "/proc/$target/status"
    record_for 300ms
    status=$?
    case $status in
    0) grep -q '^State:.*T (stopped)' "/proc/$target/status" || fail "the target is not stopped any more" ;;
    125) grep -q '^trapline: .*stopped' "$scratch/traced.err" || fail "says: $(cat "$scratch/traced.err")" ;;
    *) fail "status $status: $(cat "$scratch/traced.err")" ;;
    esac
    text_is_the_files "$target"
    kill -CONT "$target"
    goes_on
    stop_target 0 'done'
}
changed() {
    start settings "$(program settings)" "$1" serve
    local status
    record_for 200ms
    status=$?
    [ "$status" = 0 ] || [ "$status" = 125 ] || fail "status $status: $(cat "$scratch/traced.err")"
    [ "$status" = 0 ] || grep -q '^trapline: ' "$scratch/traced.err" || fail "says: $(cat "$scratch/traced.err")"
    echo "status $status: $(grep '^trapline: ' "$scratch/traced.err")"
    text_is_the_files "$target"
    echo x >&"$control"
    stop_target 0 worked
    [ "$2" = any ] || [ "$2" = "$status" ] || fail "status $status instead of $2: $(cat "$scratch/traced.err")"
}

claim a_target_whose_threads_live_for_moments_is_attached_to threads_live_for_moments
claim a_busy_target_is_traced_for_a_second one_second
claim a_target_that_starts_threads_and_children_is_traced one_second churn
claim it_says_when_it_attached_and_detached says_when
claim a_batch_is_three_serialisations_whatever_its_size serialisations
claim what_is_placed_lies_far_from_the_text lies_far_away
claim a_target_in_its_own_pid_namespace_is_traced in_a_pid_namespace --mount-proc
claim a_target_in_its_own_pid_namespace_that_sees_our_proc_is_traced in_a_pid_namespace
claim the_least_time_may_change_from_session_to_session least_times_change
claim an_interrupt_detaches interrupted
claim a_target_may_end_while_traced target_ends
claim attached_and_left_again_and_again again_and_again
claim attached_and_left_again_and_again_while_threads_come_and_go again_and_again churn
claim a_thread_may_be_asleep_in_a_stub_since_the_session_before asleep_in_a_stub
claim nothing_is_left_behind nothing_is_left
claim no_page_is_writable_and_executable never_writable_and_executable
claim no_thread_stands_still no_thread_stops
claim a_stopped_target_stays_stopped stopped_target
for how in undumpable close filesize lock chdir; do
    claim "a_target_that_changed_${how}_is_traced" changed "$how" 0
done
claim a_target_that_changed_user_is_traced changed user 0
claim a_target_without_memory_is_traced_or_refused changed memory any
claim a_target_without_descriptors_is_traced_or_refused changed files any
claim a_target_with_its_own_gs_base_is_refused changed gs 125
finish
