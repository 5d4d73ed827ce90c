#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Every public and every wire header compiles alone, twice in a row, as C and (the public ones) as C++, at both
# widths, freestanding.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0
strict=(-Wall -Wextra -Wpedantic -Werror -ffreestanding -fsyntax-only -Iinclude -I.)

widths=(-m64)
echo '#include <stdint.h>' | gcc -m32 -ffreestanding -fsyntax-only -x c - 2>/dev/null && widths+=(-m32)

for header in include/trapline/*.h wire/*.h; do
    name=${header#include/}
    printf '#include <%s>\n#include <%s>\nextern int unused_;\n' "$name" "$name" >"$work/alone.c"
    cp "$work/alone.c" "$work/alone.cc"
    for width in "${widths[@]}"; do
        for cc in gcc clang; do
            command -v "$cc" >/dev/null || continue
            "$cc" -std=c11 "$width" "${strict[@]}" "$work/alone.c" || { echo "$name: $cc $width"; bad=1; }
        done
        case "$header" in include/*) ;; *) continue ;; esac
        for cc in g++ clang++; do
            command -v "$cc" >/dev/null || continue
            "$cc" -std=c++17 "$width" "${strict[@]}" "$work/alone.cc" || { echo "$name: $cc $width"; bad=1; }
        done
    done
done
exit $bad
