#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# `trapline list` as a person meets it: files, processes, patterns, JSON, and one sentence for what goes wrong.
# TRAPLINE names the program under test.
# shellcheck disable=SC2317 # the claims are called by name
set -u
: "${O:=build}" "${TRAPLINE:=$O/trapline}"
folder=$(mktemp -d) || exit 1
sleeper=
trap '[ -z "$sleeper" ] || kill "$sleeper" 2>/dev/null; rm -rf "$folder"' EXIT
failed=0

# claim NAME COMMAND...: the command succeeds.
claim() {
    local name=$1
    shift
    if "$@" >"$folder/why" 2>&1; then
        echo "ok $name"
    else
        echo "FAILED $name: $*"
        sed 's/^/    /' "$folder/why"
        failed=1
    fi
}

# refuses TEXT ARGUMENTS...: status 125, nothing on standard output, one line on standard error that holds TEXT.
refuses() {
    local text=$1
    shift
    "$TRAPLINE" list "$@" >"$folder/out" 2>"$folder/err"
    [ $? -eq 125 ] && [ ! -s "$folder/out" ] && [ "$(wc -l <"$folder/err")" -eq 1 ] &&
        grep -q '^trapline: ' "$folder/err" && grep -qF -- "$text" "$folder/err" && return 0
    cat "$folder/err"
    return 1
}
shows() {
    local text=$1
    shift
    "$TRAPLINE" list "$@" >"$folder/out" && grep -qE -- "$text" "$folder/out"
}
json() {
    "$TRAPLINE" list --json "$folder/program" | python3 -c '
import json, sys
found = json.load(sys.stdin)
functions, coverage = found["functions"], found["coverage"]
assert coverage["functions"] == len(functions)
for way in "sled", "jump", "short", "trap", "none":
    assert coverage[way] == sum(f["entry"] == way for f in functions), way
step = [f for f in functions if f["name"] == "step(int)"]
assert len(step) == 1 and step[0]["module"] == "program" and step[0]["entry"] == "jump", step
assert set(step[0]) == {"name", "module", "address", "size", "entry", "exits", "why"}
assert step[0]["address"].startswith("0x") and step[0]["size"] > 0
'
}

cat >"$folder/program.c" <<'END'
#include <unistd.h>
int step(int) __asm__("_Z4stepi");
__attribute__((noinline)) int step(int x) { return x * 3 + getpid(); }
__attribute__((noinline)) int compress_frame(int x) { return step(x) * 5; }
int main(int argc, char **argv) { pause(); return compress_frame(argc) + (argv != 0); }
END
cc -O1 -o "$folder/program" "$folder/program.c" || exit 1

claim list_shows_a_file shows '^ *0x[0-9a-f]+ +[0-9]+  jump   site   compress_frame$' "$folder/program"
claim list_ends_with_the_coverage shows '^1 function: 1 by jump, 0 by trap, 0 not$' "$folder/program" main
claim list_demangles shows ' step\(int\)$' "$folder/program" 'step*'
claim list_takes_patterns_of_both_kinds shows '^1 function:' "$folder/program" 'comp*' -f step -x 'step*'
claim list_json_is_whole json
claim list_names_the_nearest refuses "'compress_frame'" "$folder/program" compres_frame
claim list_says_how_to_see_all refuses "('trapline list $folder/program' shows all)" "$folder/program" nothing

"$folder/program" &
sleeper=$!
for _ in $(seq 100); do
    [ "$(readlink "/proc/$sleeper/exe")" = "$folder/program" ] && break
    sleep 0.05
done
rm "$folder/program"
claim list_reads_a_process_whose_file_is_gone shows ' compress_frame$' "$sleeper"
claim list_reads_the_libraries_of_a_process shows ' libc\.so\.6:malloc$' -l "$sleeper" 'libc.so*:malloc'
kill "$sleeper"
wait "$sleeper" 2>/dev/null
claim list_names_a_missing_process refuses "there is no process $sleeper" "$sleeper"
sleeper=

echo 'hello' >"$folder/text"
head -c 3000 "$TRAPLINE" >"$folder/cut"
claim list_names_a_missing_file refuses "cannot open '$folder/missing': No such file" "$folder/missing"
claim list_names_what_is_no_program refuses "'$folder/text' is not an ELF file" "$folder/text"
claim list_names_a_truncated_file refuses "'$folder/cut' is truncated" "$folder/cut"
claim list_names_an_unknown_option refuses "'--bogus'" --bogus
claim list_asks_for_a_target refuses 'list what?'
claim list_helps shows '^Usage: trapline list' --help
exit $failed
