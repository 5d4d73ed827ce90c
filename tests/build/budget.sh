#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The hot path has not grown: bench/budget counts its instructions against the limits written down there.
set -u
[ -x bench/budget ] || { echo "there is no bench/budget"; exit 77; }
exec make --no-print-directory O="${O:-build}" CC="${CC:-gcc}" budget
