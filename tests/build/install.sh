#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# 'make install' puts the program, the library, the headers and the man pages where it says; what is installed works
# without the source tree; 'make uninstall' leaves nothing.
set -u
O=${O:-build}
CC=${CC:-gcc}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0
expect() {
    [ -e "$work$1" ] || { echo "not installed: $1"; bad=1; }
}

make --no-print-directory O="$O" CC="$CC" DESTDIR="$work" PREFIX=/usr install >"$work/log" 2>&1 || {
    cat "$work/log"
    exit 1
}
expect /usr/bin/trapline
expect /usr/lib/libtrapline.a
expect /usr/include/trapline/insn.h
expect /usr/share/man/man1/trapline.1

"$work/usr/bin/trapline" --version >"$work/version" 2>&1 || { cat "$work/version"; bad=1; }
grep -q '^trapline [0-9]' "$work/version" || { echo "--version says: $(cat "$work/version")"; bad=1; }

cat >"$work/user.c" <<'C'
#include <trapline/insn.h>
int main(void)
{
    const unsigned char ret[] = {0xc3};
    struct tl_insn insn;
    return tl_insn_decode(&insn, ret, sizeof ret, TL_MODE_64) == TL_OK && insn.length == 1 ? 0 : 1;
}
C
"$CC" -I"$work/usr/include" "$work/user.c" -L"$work/usr/lib" -ltrapline -lpthread -o "$work/user" || bad=1
"$work/user" || { echo "a program linked with the installed library does not work"; bad=1; }

make --no-print-directory O="$O" CC="$CC" DESTDIR="$work" PREFIX=/usr uninstall >/dev/null || bad=1
left=$(find "$work/usr" -type f)
[ -z "$left" ] || { echo "left by uninstall: $left"; bad=1; }
exit $bad
