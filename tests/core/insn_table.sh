#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The decoder's tables are what insn_gen makes of the Zydis that is installed here.
set -u
cd "$(dirname "$0")/../.." || exit 1
generator=${O:-build}/tests/core/insn_gen
[ -x "$generator" ] || { echo "$generator has not been built"; exit 77; }
version=$(dpkg-query -W -f '${Version}' libzydis-dev 2>/dev/null)
case "$version" in
4.0.*) ;;
*) echo "libzydis-dev is ${version:-not installed}, the tables are of 4.0"; exit 77 ;;
esac
"$generator" | cmp - core/insn_table.c
