#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# timeout: 900
#
# clang-tidy (.clang-tidy says which checks) and cppcheck find nothing in the product's C files.
# shellcheck source=tests/tidy/tree.bash
. "$(dirname "$0")/tree.bash"
tidy=$(command -v clang-tidy-14 || command -v clang-tidy) || { echo "clang-tidy is not installed"; exit 77; }
command -v cppcheck >/dev/null || { echo "cppcheck is not installed"; exit 77; }

flags=(-std=c11 -D_GNU_SOURCE -Iinclude -I. -Iarch/x86/64 -Iport/ring0/64)
mapfile -t sources < <(files '^(core|arch/x86/64|port|agent|plan|writer|reader|tracer|cli)/.*\.c$' | grep -v '/32/')
[ ${#sources[@]} -gt 0 ] || exit 0
# shellcheck disable=SC2016  # expanded by the inner shell
printf '%s\0' "${sources[@]}" | xargs -0 -P "$(nproc)" -n 4 sh -c '
    tidy=$1; shift
    "$tidy" --quiet "$@" -- -std=c11 -D_GNU_SOURCE -Iinclude -I. -Iarch/x86/64 -Iport/ring0/64 -DTL_AGENT_IMAGE= 2>/dev/null' \
    sh "$tidy" || bad=1
cppcheck --quiet --inline-suppr --error-exitcode=1 -j "$(nproc)" --std=c11 --enable=warning,portability \
    --suppress=preprocessorErrorDirective --suppress=internalAstError --suppress=normalCheckLevelMaxBranches \
    --suppress=unknownMacro --suppress=uninitvar --suppress=memleak --suppress=comparePointers "${flags[@]:1}" "${sources[@]}" || bad=1
exit $bad
