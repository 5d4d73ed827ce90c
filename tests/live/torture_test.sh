#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Sites with one to four instructions, in one cache line and across two at every offset, are put in and taken out again
# and again while threads call them and notice a lost call. TORTURE: how many times (30; each is some 50 sites in and
# out).
# timeout: 3600
# shellcheck disable=SC2317  # functions are called by claim
# shellcheck source=tests/live/lib.bash
. "$(dirname "$0")/lib.bash"

: "${TORTURE:=30}"
RUN_SECONDS=$((60 + TORTURE))

toggle() {
    local i
    start busy "$(program busy)" "$@"
    for i in $(seq 1 "$TORTURE"); do
        attached 5ms --buffer 64K -f 'f_*'
        text_is_the_files "$target"
        # Half of the sites alone, so that neighbours change while others stay as they are.
        attached 5ms --buffer 64K -f "f_toggle[$((i % 4 + 1))]*"
    done
    goes_on
    stop_target 0 'done'
}
claim toggles_under_one_thread_lose_no_call toggle 1
claim toggles_under_four_threads_lose_no_call toggle 4
claim toggles_while_threads_come_and_go_lose_no_call toggle 2 churn
finish
