#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Who may include whom. Arrows point down the list of rooms only, never sideways between ports; the engine's lower rooms
# include nothing that a compiler does not bring along by itself.
# shellcheck source=tests/tidy/tree.bash
. "$(dirname "$0")/tree.bash"

declare -A below=(
    [include]=''
    [wire]=''
    [arch]='include wire'
    [core]='include wire arch'
    [port/linux]='include wire arch core'
    [port/ring0]='include wire arch core'
    [port/sim]='include wire arch core'
    [agent]='include wire arch core port/linux'
    [plan]='include wire'
    [writer]='include wire'
    [reader]='include wire writer'
    [tracer]='include wire plan writer'
    [cli]='include wire plan writer reader tracer'
)
freestanding=' stdint.h stddef.h stdbool.h stdatomic.h stdarg.h stdalign.h stdnoreturn.h limits.h iso646.h float.h '

room_of_file() {
    case "$1" in
    port/*/*) echo "$1" | cut -d/ -f1,2 ;;
    *) echo "${1%%/*}" ;;
    esac
}

# $1: the file that includes, $2: what stands between <> or "".
room_of_include() {
    case "$2" in
    trapline/*) echo include ;;
    wire/* | core/* | agent/* | plan/* | writer/* | reader/* | tracer/* | cli/* | port/*/* | arch/*) room_of_file "$2" ;;
    *)
        if [ -f "$(dirname "$1")/$2" ]; then
            room_of_file "$1"
        elif [ -f "arch/x86/64/$2" ] || [ -f "arch/x86/32/$2" ] || [ -f "arch/x86/$2" ]; then
            echo arch
        else
            echo system
        fi
        ;;
    esac
}

while IFS=: read -r file line text; do
    name=$(sed -E 's/^ *# *include *[<"]([^>"]*)[>"].*/\1/' <<<"$text")
    from=$(room_of_file "$file")
    to=$(room_of_include "$file" "$name")
    case "$to" in
    system)
        case "$from" in
        include | wire | arch | core)
            case "$freestanding" in
            *" $name "*) ;;
            *) complain "$file:$line: <$name> is no freestanding header; '$from' knows no operating system" ;;
            esac
            ;;
        esac
        ;;
    "$from") ;;
    *)
        case " ${below[$from]-} " in
        *" $to "*) ;;
        *) complain "$file:$line: '$from' may not include <$name>: it sees only '${below[$from]-}'" ;;
        esac
        ;;
    esac
done < <(files '^(include|wire|arch|core|port|agent|plan|writer|reader|tracer|cli)/.*\.(c|h|S)$' |
    xargs -r grep -nHE '^ *# *include *[<"]')

exit $bad
