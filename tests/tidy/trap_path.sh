#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What runs between a breakpoint and its resolution (section .text.trap) calls nothing outside itself, nor anything by a
# pointer: no function it runs can carry a site, and none of its own is among those that the compiler lists for ftrace.
# Read from the relocations and the listing of the freestanding objects.
# tests/tidy/trap_path.sh [ROOT [OBJECTS, OR FOLDERS OF THEM...]]
objects_in=("${@:2}")
# shellcheck source=tests/tidy/tree.bash
. "$(dirname "$0")/tree.bash"

if [ ${#objects_in[@]} = 0 ]; then
    O=${O:-build}
    objects_in=("$O/agent")
    make --no-print-directory O="$O" CC="${CC:-gcc}" widths >/dev/null || exit 1
    make --no-print-directory O="$O" CC="${CC:-gcc}" all >/dev/null || exit 1
fi
mapfile -t objects < <(find "${objects_in[@]}" -name '*.o')
if [ ${#objects[@]} = 0 ]; then
    echo "no objects in ${objects_in[*]} yet"
    exit 77
fi

# Where each global symbol lives: "name section".
declare -A home=()
while read -r name section; do
    home[$name]=$section
done < <(for o in "${objects[@]}"; do
    readelf -SsW "$o" | awk '
        /^ *\[ *[0-9]+\]/ { sub(/^ *\[ */, ""); sub(/\]/, ""); section[$1] = $2; next }
        $5 == "GLOBAL" && $7 != "UND" && $7 != "ABS" { print $8, section[$7] }'
done)

trap_functions=0
for o in "${objects[@]}"; do
    readelf -SW "$o" | grep -q ' \.text\.trap' || continue
    trap_functions=$((trap_functions + $(readelf -sW "$o" | grep -c ' FUNC ')))
    declare -A here=()
    while read -r name section; do
        here[$name]=$section
    done < <(readelf -SsW "$o" | awk '
        /^ *\[ *[0-9]+\]/ { sub(/^ *\[ */, ""); sub(/\]/, ""); section[$1] = $2; next }
        $5 == "LOCAL" && NF == 8 { print $8, section[$7] }')
    while read -r symbol; do
        section=${here[$symbol]-${home[$symbol]-}}
        case "$symbol" in .*) section=$symbol ;; esac
        case "$symbol:$section" in
        tl_port_panic:*) ;; # the end of everything; nothing is traced after it
        tli_signal_not_ours:*) ;; # where the path is left for good: the signal is the program's
        # Ring 0: traps but int3; an int3 that the first stage has declined, and one that it has resolved.
        ring0_trap:* | kernel_int3_later:* | user_int3_later:* | kgdb_emulated:*) ;;
        *:.text.trap* | *:.rodata* | *:.data* | *:.bss* | *:.tl_* | *:.lbss* | *:.ldata*) ;;
        *:) complain "$o: .text.trap refers to $symbol, which nobody here holds" ;;
        *) complain "$o: .text.trap refers to $symbol in $section" ;;
        esac
    done < <(readelf -rW "$o" | awk '
        /^Relocation section/ { inside = $3 ~ /^.\.rela?\.text\.trap/; next }
        inside && $3 ~ /^R_/ { print $5 }' | sort -u)
    unset here
    readelf -rW "$o" | awk '
        /^Relocation section/ { inside = $3 ~ /(__patchable_function_entries|__mcount_loc)/; next }
        inside && $5 ~ /^\.text\.trap/ { found = 1 } END { exit found }' ||
        complain "$o: a function of .text.trap has a site"
    # The one pointer that must be gone by is the traced program's own handler, for a trap that is not ours.
    indirect=$(objdump -d --no-show-raw-insn -j .text.trap "$o" 2>/dev/null |
        awk '/^[0-9a-f]+ <.*>:$/ { where = $2 } /\t(notrack )?(call|jmp) +\*/ && where !~ /^<program_handler[.>]/')
    [ -z "$indirect" ] || complain "$o: .text.trap goes by a pointer:
$indirect"
done
[ "$trap_functions" -gt 0 ] || complain "no object in ${objects_in[*]} has a section .text.trap"
exit $bad
