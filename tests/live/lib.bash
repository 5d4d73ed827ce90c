# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What the live tests share: claims, programs built on demand, runs with and without trapline compared, processes that
# are started and surely ended, bounded waits. No test of its own. Sourced by each tests/live/*_test.sh.
#
# TRAPLINE names the program under test, O the folder of what is built, TMPDIR where scratch goes.
set -u
live=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${O:=$live/../../build}"
: "${TRAPLINE:=$O/trapline}"
O=$(realpath -m "$O")
TRAPLINE=$(realpath -m "$TRAPLINE")
if [ ! -x "$TRAPLINE" ]; then
    echo "no program under test at $TRAPLINE (TRAPLINE names it)"
    exit 1
fi
scratch=$(mktemp -d "${TMPDIR:-/tmp}/trapline-live.XXXXXX") || exit 1
export GMON_OUT_PREFIX=$scratch/gmon # what programs built with -pg leave
export python=/usr/bin/python3
export LC_ALL=C.UTF-8
ulimit -S -c 0
claims_passed=0 claims_failed=0 claims_skipped=0

# ---- processes ----------------------------------------------------------------------------------------------------

# A process is named by its number and the moment it began, so that a number used again is never hit.
began() {
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}
remember() {
    echo "$1 $(began "$1")" >>"$scratch/processes"
}
end_processes() {
    local pid when
    [ -f "$scratch/processes" ] || return 0
    while read -r pid when; do
        [ -n "$when" ] && [ "$(began "$pid")" = "$when" ] && kill -KILL "$pid" 2>/dev/null
    done <"$scratch/processes"
    : >"$scratch/processes"
}
clean_up() {
    end_processes
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# until_true SECONDS COMMAND...: polls, never longer than that.
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.02
    done
}
ended() {
    case "$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f1)" in '' | Z | X) return 0 ;; esac
    return 1
}
has_line() {
    grep -q "$2" "$1"
}

# start NAME PROGRAM ARG...: a target that says "ready" and ends when its standard input does. Sets target (pid), said
# (its output) and the descriptor "control" to write to it.
start() {
    local name=$1
    shift
    said=$scratch/$name.said
    rm -f "$scratch/$name.control"
    mkfifo "$scratch/$name.control"
    "$@" <"$scratch/$name.control" >"$said" 2>"$said.errors" &
    target=$!
    remember "$target"
    exec {control}>"$scratch/$name.control"
    until_true 10 has_line "$said" ready || fail "$name did not become ready: $(cat "$said.errors")"
}
# stop_target STATUS: ends its input; it must end with this status and have said "$2" last.
stop_target() {
    local status
    exec {control}>&-
    until_true 30 ended "$target" || fail "the target does not end"
    wait "$target"
    status=$?
    [ "$status" = "$1" ] || fail "the target ended with $status instead of $1: $(tail -n 3 "$said.errors")"
    [ "$(tail -n 1 "$said")" = "$2" ] || fail "the target said last: $(tail -n 1 "$said")"
}
# The target's rounds go on: asks twice.
rounds() {
    local before
    before=$(grep -c rounds "$said")
    echo p >&"$control"
    until_true 10 eval "[ \$(grep -c rounds '$said') -gt $before ]" || fail "the target does not answer"
    tail -n 1 "$said"
}
goes_on() {
    local first
    first=$(rounds | cut -d' ' -f2)
    until_true 15 more_rounds "$first" || fail "the target stands still at $first rounds"
}
more_rounds() {
    [ "$(rounds | cut -d' ' -f2)" -gt "$1" ]
}

# ---- claims -------------------------------------------------------------------------------------------------------

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}
skip() {
    printf '%s\n' "$*" >&2
    exit 77
}
# claim NAME COMMAND ARG...: runs it in a subshell; 0 holds, 77 is skipped, anything else fails.
claim() {
    local name=$1 status
    shift
    if [ -n "${ONLY:-}" ] && ! [[ $name == *$ONLY* ]]; then return; fi
    ("$@") >"$scratch/log" 2>&1 </dev/null
    status=$?
    end_processes
    case $status in
    0)
        claims_passed=$((claims_passed + 1))
        echo "ok      $name"
        ;;
    77)
        claims_skipped=$((claims_skipped + 1))
        echo "skipped $name: $(tail -n 1 "$scratch/log")"
        ;;
    *)
        claims_failed=$((claims_failed + 1))
        echo "FAILED  $name"
        tail -n 15 "$scratch/log" | cut -c1-600 | sed 's/^/        /'
        ;;
    esac
    [ -z "${SHOW:-}" ] || sed 's/^/        /' "$scratch/log"
}
# The last line of each test.
finish() {
    echo "$claims_passed claims hold, $claims_failed fail, $claims_skipped skipped"
    [ "$claims_failed" = 0 ] || exit 1
    [ "$claims_passed" != 0 ] || exit 77
    exit 0
}
needs() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || skip "$tool is not installed"
    done
}

# ---- programs -----------------------------------------------------------------------------------------------------

# program NAME: prints the path of a program of this folder, built if it is not.
program() {
    local source out=$O/tests/live/programs/$1
    source=$(ls "$live/programs/$1.c" "$live/programs/$1.cc" 2>/dev/null)
    if [ ! -x "$out" ] || [ "$source" -nt "$out" ]; then
        out=$scratch/programs/$1
        [ -x "$out" ] || "$live/build" "$source" "$out" >&2 || fail "$1 does not compile"
    fi
    echo "$out"
}
# variant NAME AS FLAG...: the same, built with more flags under another name.
variant() {
    local name=$1 out=$scratch/programs/$2
    shift 2
    [ -x "$out" ] || "$live/build" "$live/programs/$name.c" "$out" "$@" >&2 || skip "no compiler for: $*"
    echo "$out"
}

# ---- runs ---------------------------------------------------------------------------------------------------------

# The longest a run may take.
: "${RUN_SECONDS:=60}"
bounded() {
    timeout -k 5 "$RUN_SECONDS" "$@"
}
# recorded OPTION... -- PROGRAM ARG...: runs it under 'trapline record'; output in $scratch/traced.out, trapline's
# words in traced.err, the recording in $scratch/data. Returns the status. VERB: another one than record.
recorded() {
    local options=()
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    rm -rf "$scratch/data" "$scratch/data.old"
    bounded "$TRAPLINE" "${VERB:-record}" -d "$scratch/data" "${options[@]}" "$@" >"$scratch/traced.out" 2>"$scratch/traced.err"
}
# same OPTION... -- PROGRAM ARG...: with and without trapline it prints the same and ends the same way, and trapline
# ends with its two lines.
same() {
    local plain traced command=("$@")
    while [ "${command[0]}" != -- ]; do command=("${command[@]:1}"); done
    bounded "${command[@]:1}" >"$scratch/plain.out" 2>"$scratch/plain.err"
    plain=$?
    recorded "$@"
    traced=$?
    [ "$plain" = "$traced" ] || fail "ends with $traced instead of $plain: $(tail -n 5 "$scratch/traced.err")"
    if [ -n "${UNORDERED:-}" ]; then
        sort "$scratch/plain.out" -o "$scratch/plain.out"
        sort "$scratch/traced.out" -o "$scratch/traced.out"
    fi
    cmp -s "$scratch/plain.out" "$scratch/traced.out" ||
        fail "prints something else: $(diff "$scratch/plain.out" "$scratch/traced.out" | head -n 8)"
    summary_lines
}
summary_lines() {
    tail -n 2 "$scratch/traced.err" | head -n 1 | grep -qE '^traced [0-9,]+ of [0-9,]+ functions \(' ||
        fail "no line 'traced N of M functions': $(tail -n 3 "$scratch/traced.err")"
    tail -n 1 "$scratch/traced.err" | grep -qE '^[0-9,]+ functions called, .* in ' && return
    tail -n 1 "$scratch/traced.err" | grep -qE '^[0-9,]+ (events|calls) in [0-9,]+ threads?, [0-9,]+ lost, .* in ' ||
        fail "no line 'N events in N threads': $(tail -n 3 "$scratch/traced.err")"
}
report() {
    bounded "$TRAPLINE" report --json -d "$scratch/data" >"$scratch/report.json" || fail "report fails"
}
counted() {
    report
    # shellcheck disable=SC2086  # no word, or one
    "$live/tools/counts.py" "$scratch/report.json" "$scratch/traced.out" ${PAIRS:+loose} || fail "the counts are not the program's"
}
paired() {
    needs babeltrace2
    "$live/tools/pairs.py" "$scratch/data" "$scratch/traced.out" "$@" || fail "entries and exits do not pair"
}
# exact PROGRAM ARG...: traced with its own functions only, and whole: its own counts, each time; entries and exits
# pair (PAIRS=loose: only in number; PAIRS=none: not looked at). STATUS: how it ends.
exact() {
    local status=${STATUS:-0} got
    recorded -f '[frp]_*' --buffer 64M -- "$@"
    got=$?
    [ "$got" = "$status" ] || fail "ended with $got: $(tail -n 3 "$scratch/traced.err")"
    summary_lines
    counted
    case ${PAIRS:-} in
    '') paired ;;
    loose) paired loose ;;
    esac
    recorded --buffer 64M -- "$@"
    got=$?
    [ "$got" = "$status" ] || fail "traced whole, it ended with $got: $(tail -n 3 "$scratch/traced.err")"
    counted
}
text_is_the_files() {
    "$live/tools/text.py" "$1" quiet || fail "text of $1 differs from its files"
}
# record_for TIME OPTION...: traces the target for so long. attached: and it must work.
record_for() {
    rm -rf "$scratch/data" "$scratch/data.old"
    bounded "$TRAPLINE" "${VERB:-record}" -p "$target" -d "$scratch/data" --for "$@" >"$scratch/traced.out" 2>"$scratch/traced.err"
}
attached() {
    local status
    record_for "$@"
    status=$?
    [ "$status" = 0 ] || fail "attach ended with $status: $(tail -n 8 "$scratch/traced.err")"
    summary_lines
}
# attach_in_background OPTION...: traces the target until something ends that; returns when attached. Sets tracer.
attach_in_background() {
    rm -rf "$scratch/data" "$scratch/data.old"
    # The input of the target is not trapline's to hold open.
    "$TRAPLINE" record -p "$target" -d "$scratch/data" "$@" >"$scratch/traced.out" 2>"$scratch/traced.err" {control}>&- &
    tracer=$!
    remember "$tracer"
    until_true 15 grep -qi attached "$scratch/traced.err" || fail "does not attach: $(cat "$scratch/traced.err")"
}
