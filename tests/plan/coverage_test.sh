#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Of large programs and libraries as Debian ships them: every function found has an entry site, at least 97 % of them by
# a jump, and of those with exits 85 % need no int3; and every exit that is proven is patched. A function that begins with an int3 of its own cannot have one.
set -u
trapline=${TRAPLINE:-build/trapline}
bad=0 seen=0

first() {
    for path in "$@"; do
        [ -e "$path" ] && readlink -f "$path" && return
    done
}

check() {
    "$trapline" list --json "$1" | python3 -c '
import json, sys
listing = json.load(sys.stdin)
c = listing["coverage"]
without = [f for f in listing["functions"] if f["entry"] == "none" and "must stay" not in f["why"]]
share = (c["sled"] + c["jump"] + c["short"]) / c["functions"]
exits = [f["exits"] for f in listing["functions"] if f["exits"] != "none"]
clean = exits.count("site") / len(exits)
unpatched = sum(1 for f in listing["functions"] if f["exits"] == "none" and not f["why"])
print("%s: %d functions, %.2f %% by jump, %d by trap, %d not; %.2f %% without an int3 at an exit" %
      (sys.argv[1], c["functions"], 100 * share, c["trap"], c["none"], 100 * clean))
for f in without:
    print("    no entry:", f["name"], f["why"])
sys.exit(bool(without) or share < 0.97 or clean < 0.85 or unpatched > 0)' "$1" || bad=1
    seen=$((seen + 1))
}

lib=/usr/lib/x86_64-linux-gnu
for candidates in "$lib/libc.so.6" /usr/bin/gdb /usr/bin/perl /usr/bin/git "$lib/libcrypto.so.3" "$lib/libstdc++.so.6" \
    /usr/bin/qemu-system-x86_64 /usr/bin/node; do
    file=$(first "$candidates")
    if [ -n "$file" ]; then
        check "$file"
    else
        echo "not here: $candidates"
    fi
done
[ $seen -gt 0 ] || exit 77
exit $bad
