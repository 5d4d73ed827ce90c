#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# C files are laid out as .clang-format says ('make format' does it). The version is fixed: another lays out otherwise.
# shellcheck source=tests/tidy/tree.bash
. "$(dirname "$0")/tree.bash"
command -v clang-format-14 >/dev/null || { echo "clang-format-14 is not installed"; exit 77; }
files '\.(c|h|cc)$' | xargs -r clang-format-14 --dry-run -Werror
