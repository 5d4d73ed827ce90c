#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The simulation can fail: each edit of the engine below, made in a copy, breaks a claim that a test here, or in
# tests/core, finds.
# timeout: 600
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
CC=${CC:-gcc}
bad=0
engine='batch poke site trap slab epoch insn insn_table'

# build NAME OUT: the test with the engine of $work/core.
build() {
    local sources=() file
    for file in $engine; do sources+=("$work/core/$file.c"); done
    for file in port/sim/*.c tests/"${1%/*}"/*.c; do
        case "$file" in *_test.c | tests/core/*) ;; *) sources+=("$file") ;; esac
    done
    "$CC" -std=c11 -O1 -w -D_GNU_SOURCE -I"$work" -Iinclude -I. -Iarch/x86/64 "tests/$1.c" "${sources[@]}" -o "$2" -lcmocka
}

# breaks TEST CLAIM FILE SED: with the edit, TEST says CLAIM, or ends by an assert.
breaks() {
    local test=$1 claim=$2 file=$3 edit=$4 said
    rm -rf "$work/core"
    cp -r core "$work/core"
    sed -i -e "$edit" "$work/core/$file"
    cmp -s "core/$file" "$work/core/$file" && { echo "the edit '$edit' finds nothing in core/$file"; bad=1; return; }
    build "$test" "$work/test" || { echo "the edit '$edit' does not compile"; bad=1; return; }
    said=$(timeout 100 "$work/test" 2>&1) && { echo "$test passes with the edit '$edit' of core/$file"; bad=1; return; }
    grep -q "$claim" <<<"$said" || { echo "$test fails with '$edit', but not for: $claim"; echo "$said" | tail -n 5; bad=1; return; }
    echo "broken as it should be: $file, $edit"
}

# Skipped instead of emulated: what lost the calls before 2019.
breaks sim/call_test 'a call is lost' trap.c 's/tli_emulate_call(regs, behind, target);/(*regs)->ip = behind;/'
# The old meaning while the new one comes.
breaks sim/call_test 'EXACT' batch.c 's/^        tli_poke_write(sites, count, TLI_POKE_ARM);/&\n        for (size_t i = 0; i < count; i++) prepare(sites[i], \&pokes[i]);/; 0,/^            prepare(sites\[i\], &pokes\[i\]);/s//            { uint8_t s = sites[i]->state; prepare(sites[i], \&pokes[i]); sites[i]->state = s; }/'
# No serialisation after a step.
breaks sim/call_test 'TORN\|EXACT' poke.c '/^static void write_step/,/^}/s/^    tl_port_serialize();/    if (change.to != STEP_INT3) tl_port_serialize();/'
breaks sim/call_test 'TORN' poke.c '/^static void write_step/,/^}/s/^    tl_port_serialize();/    if (change.to != STEP_TAIL) tl_port_serialize();/'
# All but the head at once with the int3.
breaks sim/call_test 'TORN' poke.c 's/return i == 0 || (inner \&\& arm) ? INT3 : before;/return i == 0 ? INT3 : after;/'
breaks sim/poke_test 'TORN' poke.c 's/return i == 0 || (inner \&\& arm) ? INT3 : before;/return i == 0 ? INT3 : before;/'
# An invalid opcode that is replaced directly.
breaks core/site_test 'starts_change_only' poke.c 's/return i == 0 || (inner \&\& !arm) ? INT3 : after;/return i == 0 ? INT3 : inner \&\& !arm ? before : after;/'
# Tombstones below are forgotten.
breaks core/site_test 'a_late_trap_below' site.c 's/^            late = site;/            return site;/; s/if ((site->starts >> offset \& 1) \&\& !gone(site))/if (i + 1 < count_to(now, address)) return 0; if ((site->starts >> offset \& 1) \&\& !gone(site))/'
# A late trap that nobody looks at again.
breaks sim/call_test 'declined' trap.c 's/if (!mine \&\& tl_port_text_byte(address) != 0xcc)/if (0)/'
# Written without a look, and unmapped under the poke.
breaks core/unload_test 'torn\|found' poke.c 's/if (!is_after(site, bytes + offset, change.direction, change.from))/if (0)/'
breaks core/unload_test 'unmapping' site.c '/^void tli_site_hold/,/^}/s/tli_site_wait();//'
breaks core/unload_test 'tli_site_unmap_begin' site.c 's/!atomic_load_explicit(&readers()->held, memory_order_seq_cst)/true/'
exit $bad
