#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Attaching to processes in every state: what blocks goes on blocking, what was set up stays, and what cannot be
# traced is refused in one sentence that names the reason, with status 125, and is left alone.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${O:=build}"
: "${TRAPLINE:=$O/trapline}"
programs=$O/tests/tracer
work=$(mktemp -d) || exit 1
started=()
tracers=()
# shellcheck disable=SC2317  # called by the trap
clean_up() {
    [ ${#started[@]} = 0 ] || kill -KILL "${started[@]}" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT
bad=0
fail() {
    echo "FAILED: $*"
    bad=1
}

# attach PID: for a moment; what is said is in $work/said, the status in $status.
attach() {
    timeout 30 "$TRAPLINE" record -p "$1" --for 100ms -d "$work/data" >"$work/said" 2>&1
    status=$?
}
refused() { # PID, what the sentence must hold
    attach "$1"
    [ $status = 125 ] || fail "attaching to $1 ended with $status, not 125: $(cat "$work/said")"
    grep -q "^trapline: .*$2" "$work/said" || fail "no '$2' in: $(cat "$work/said")"
    [ "$(wc -l <"$work/said")" = 1 ] || fail "more than one line: $(cat "$work/said")"
}
# start PROGRAM ARG...: one that says "ready" and ends when its input does.
start() {
    rm -f "$work/input" "$work/output"
    mkfifo "$work/input"
    "$@" <"$work/input" >"$work/output" 2>&1 &
    target=$!
    started+=("$target")
    exec 7>"$work/input"
    for _ in $(seq 500); do
        grep -q ready "$work/output" 2>/dev/null && return
        sleep 0.02
    done
    fail "$* did not become ready"
}
finish() { # what the last line must be
    exec 7>&-
    wait "$target" || fail "the program ended with $?"
    [ "$(tail -n 1 "$work/output")" = "$1" ] || fail "instead of '$1': $(cat "$work/output")"
}

# Nothing that blocks sees a tracer come and go.
declare -A right=([sigtimedwait]=EAGAIN [futex]=ETIMEDOUT [recv]=EAGAIN [semtimedop]=EAGAIN) waiting=()
mapfile -t calls < <("$programs/waits" list)
for call in "${calls[@]}"; do
    "$programs/waits" "$call" >"$work/$call.waited" &
    waiting[$call]=$!
    started+=($!)
done
sleep 0.3
for call in "${calls[@]}"; do
    timeout 30 "$TRAPLINE" record -p "${waiting[$call]}" --for 100ms -d "$work/$call" >"$work/$call.said" 2>&1 &
    tracers+=($!)
done
wait "${tracers[@]}"
for call in "${calls[@]}"; do
    wait "${waiting[$call]}"
    grep -q "^trapline: attached to" "$work/$call.said" || fail "$call: $(cat "$work/$call.said")"
    [ "$(cat "$work/$call.waited")" = "$call: ${right[$call]:-ok}, waited" ] || fail "$(cat "$work/$call.waited")"
done

count() {
    find "$1" -mindepth 1 -maxdepth 1 | wc -l
}
for kind in plain handles ignores; do
    start "$programs/guarded" $kind
    descriptors=$(count "/proc/$target/fd")
    for _ in 1 2 3; do
        attach "$target"
        [ $status = 0 ] || fail "$kind: $(cat "$work/said")"
    done
    [ "$(count "/proc/$target/task")" = 1 ] || fail "$kind: a thread of the agent is left"
    [ "$(count "/proc/$target/fd")" = "$descriptors" ] || fail "$kind: a descriptor is left"
    finish "$kind: as it was"
done

# What the process cannot give is refused, and everything taken back.
maps() {
    cut -d' ' -f1-5 "/proc/$1/maps"
}
for pair in "memory:Cannot allocate memory" "files:Too many open files" "filter-clone:seccomp filter forbids clone"; do
    start "$programs/guarded" "${pair%%:*}"
    before=$(maps "$target")
    refused "$target" "${pair#*:}"
    [ "$(maps "$target")" = "$before" ] || fail "${pair%%:*}: something stays mapped"
    finish "${pair%%:*}: as it was"
done
start "$programs/guarded" filter-other
attach "$target"
[ $status = 0 ] || fail "a filter that forbids nothing of ours: $(cat "$work/said")"
finish "filter-other: as it was"

# Others at work.
start "$programs/guarded" plain
"$TRAPLINE" record -p "$target" -d "$work/first" >"$work/first.said" 2>&1 &
first=$!
started+=("$first")
for _ in $(seq 200); do
    grep -q attached "$work/first.said" && break
    sleep 0.02
done
refused "$target" "traced by $first (trapline)"
kill -KILL $first
wait $first 2>/dev/null
attach "$target" # once the orphaned agent has left
[ $status = 0 ] || fail "after a killed tracer: $(cat "$work/said")"
finish "plain: as it was"

if command -v strace >/dev/null; then
    start "$programs/guarded" plain
    strace -o /dev/null -p "$target" 2>/dev/null &
    other=$!
    started+=("$other")
    for _ in $(seq 200); do
        grep -q "TracerPid:.$other" "/proc/$target/status" && break
        sleep 0.02
    done
    refused "$target" "traced by $other (strace)"
    kill -INT $other
    wait $other
    finish "plain: as it was"
fi

start "$programs/guarded" plain
kill -STOP "$target"
sleep 0.1
refused "$target" "it is stopped"
kill -CONT "$target"
finish "plain: as it was"

# Who cannot be traced at all.
refused 2 "kernel thread"
refused 4194304 "no such process"
# shellcheck disable=SC2016  # the inner shell's
sh -c 'sleep 0.2 & echo $! >"$0"; exec sleep 60' "$work/zombie" &
started+=($!)
for _ in $(seq 200); do
    [ -s "$work/zombie" ] && grep -qs "^State:.Z" "/proc/$(cat "$work/zombie")/status" && break
    sleep 0.02
done
refused "$(cat "$work/zombie")" "zombie"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    chmod 777 "$work"
    sleep 60 &
    started+=($!)
    setpriv --reuid 65534 --clear-groups "$TRAPLINE" record -p $! --for 100ms -d "$work/no" >"$work/said" 2>&1
    [ $? = 125 ] || fail "a process of root's was traced by nobody"
    grep -q "run as its owner or as root" "$work/said" || fail "$(cat "$work/said")"
fi
exit $bad
