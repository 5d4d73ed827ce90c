#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 600
#
# The model of the protocol holds, and each of the edits that must break it breaks it (`make model` also runs the largest check).
set -u
command -v spin >/dev/null || { echo "spin is not installed"; exit 77; }
exec model/run --quick
