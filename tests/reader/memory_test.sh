#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A recording that is larger than the memory there is can be read: 128 MB of events, in an address space of 64 MB.
# timeout: 120
set -u
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
"$O/bench/recording" "$scratch/data" 16000000 >/dev/null || exit 1
bad=0
# reads COMMAND...: it comes to its end, or somebody who has seen enough closes its output.
reads() {
    (ulimit -v 65536 && "$TRAPLINE" "$@" -d "$scratch/data" 2>"$scratch/err") | head -n 100000 >"$scratch/out"
    [ -s "$scratch/out" ] && ! [ -s "$scratch/err" ] && return
    echo "$*: $(cat "$scratch/err")"
    bad=1
}
reads report
reads replay
reads info
exit $bad
