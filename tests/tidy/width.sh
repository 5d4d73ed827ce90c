#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The width and the CPU are chosen by include path: no #if on them outside include/ and arch/, and the same file names
# under arch/x86/32 and arch/x86/64. What 32 bits do not have yet is listed here by name.
# shellcheck source=tests/tidy/tree.bash
. "$(dirname "$0")/tree.bash"

hits=$(files '\.(c|h|S)$' | grep -vE '^(include|arch|tests)/' | xargs -r grep -nHE \
    '^ *# *(if|ifdef|ifndef|elif).*(__x86_64|__i386|__amd64|__LP64__|_LP64|__ILP32__|__SIZEOF_(POINTER|LONG|SIZE_T)__|UINTPTR_MAX|ULONG_MAX|SIZE_MAX|__WORDSIZE|__aarch64|__arm)')
[ -z "$hits" ] || complain "an #if on width or CPU outside include/ and arch/:
$hits"

later=' cpu.h record.S syscall.h '
if [ -d arch/x86/32 ] && [ -d arch/x86/64 ]; then
    for width in 32 64; do
        for file in $(files "^arch/x86/$width/"); do
            name=${file#arch/x86/*/}
            twin=arch/x86/$((96 - width))/$name
            case "$width:$later" in
            64:*" $name "*) [ ! -f "$twin" ] || complain "$twin is there: take $name off the list in tests/tidy/width.sh" ;;
            *) [ -f "$twin" ] || complain "$file has no twin $twin" ;;
            esac
        done
    done
fi
exit $bad
