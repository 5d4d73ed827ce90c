#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The torture, for a moment: sites of every shape in and out under threads and a storm of signals; no call lost, every
# register kept, the text as it was; recorded, each call is counted. Longer: make torture SECONDS=3600.
set -u
torture=${O:?the folder of what is built}/tests/torture/torture
[ -x "$torture" ] || {
    echo "$torture is not built"
    exit 1
}
bad=0
holds() {
    echo "torture $*"
    timeout 60 "$torture" "$@" || {
        echo "ended with $?"
        bad=1
    }
}
notices() {
    local status
    timeout 60 "$torture" "$@" >/dev/null 2>&1
    status=$?
    case $status in
    0 | 124)
        echo "torture $* does not notice it ($status)"
        bad=1
        ;;
    esac
}
holds seconds=5
holds seconds=2 threads=1 storm=0 churn=0
holds seconds=3 batch=1
holds seconds=4 recorded=1
# A wrong byte in one function, a call that is not recorded: they are seen.
notices seconds=5 break=1
notices seconds=3 recorded=1 break=2
exit $bad
