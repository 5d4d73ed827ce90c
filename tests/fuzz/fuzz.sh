#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 900
#
# The parsers and the decoder under libFuzzer, each for a bounded time.
set -u
ls fuzz/*.c >/dev/null 2>&1 || { echo "no fuzzers yet"; exit 77; }
echo 'int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n) { return p && n ? 0 : 0; }' |
    clang -fsanitize=fuzzer,address -x c - -o /dev/null 2>/dev/null || { echo "clang has no libFuzzer here"; exit 77; }
exec make --no-print-directory O="${O:-build}" FUZZ_SECONDS="${FUZZ_SECONDS:-20}" fuzz
