#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The core knows no width and no operating system: it compiles for both widths, hosted and freestanding, and its
# objects name nothing but each other and the port.
set -u
O=${O:-build}
CC=${CC:-gcc}
bad=0

echo 'int main(void) { return 0; }' | "$CC" -m32 -x c - -o /dev/null 2>/dev/null || {
    echo "$CC cannot build for 32 bits here"
    exit 77
}
make --no-print-directory O="$O" CC="$CC" widths >/dev/null || exit 1

# $1: variant; $2...: folders under it whose objects may name only themselves and tl_port_*.
names_nothing_else() {
    local variant=$1 defined undefined objects
    shift
    mapfile -t objects < <(find "${@/#/$O/$variant/}" -name '*.o' 2>/dev/null)
    if [ ${#objects[@]} = 0 ]; then
        echo "$variant: no objects in $*"
        bad=1
        return
    fi
    # i386 code finds its data by this name; the linker makes it.
    defined=$(nm --defined-only "${objects[@]}" | awk 'NF == 3 { print $3 }'; echo _GLOBAL_OFFSET_TABLE_)
    # The record templates at 32 bits are not written yet; when they are, this line finds nothing to add.
    [ "$variant" != free32 ] || [ -f arch/x86/32/record.S ] || defined+=$'\n'$(nm -u "${objects[@]}" |
        grep -oE '\<tl_record_[a-z_]+$')
    undefined=$(nm -u "${objects[@]}" | awk '$1 == "U" { print $2 }' | sort -u | grep -v '^tl_port_' |
        grep -vxF -e "$defined")
    [ -z "$undefined" ] || {
        echo "$variant: named but held by none of $*: $(echo "$undefined" | tr '\n' ' ')"
        bad=1
    }
}
names_nothing_else agent core arch
names_nothing_else free32 core arch

# With the port and the agent in, the port's names are held, too.
undefined=$(nm -u "$O/agent.elf" 2>/dev/null)
[ -z "$undefined" ] || { echo "agent.elf: $undefined"; bad=1; }
exit $bad
