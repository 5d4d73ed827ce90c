#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 900
#
# The decoder agrees with Zydis on random byte strings of both widths, and never reads past their end. The seed is
# in the output; INSN_STRINGS=N tries another number than 100 million.
set -u
cd "$(dirname "$0")/../.." || exit 1
oracle=${O:-build}/tests/core/insn_oracle
strings=${INSN_STRINGS:-100000000}
[ -x "$oracle" ] || { echo "$oracle has not been built"; exit 77; }
exec "$oracle" --random "$strings" --shaped "$((strings / 4))"
