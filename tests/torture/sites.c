/* SPDX-License-Identifier: MIT
 *
 * The sites of the torture's functions, as the plan would ask for them: the entry's first instructions until five bytes
 * are covered, and the exit's up to what leaves. A function of one window has one site for both. A branch into the
 * exit's window has a site of its own.
 */
#include "torture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <trapline/insn.h>

static bool leaves(const struct torture_function *function, const struct tl_insn *insn)
{
    if (function->flavor == TORTURE_TAIL)
        return insn->category == TL_INSN_JMP_REL;
    return insn->category == TL_INSN_RET || (function->flavor == TORTURE_BRANCH && insn->category == TL_INSN_JCC);
}

/* Whole instructions from start until five bytes are covered, or until end. */
static void window(const struct torture_function *function, uint32_t start, uint32_t end, bool to_end,
                   struct tl_wire_site *site)
{
    site->address = (uintptr_t)torture_text + start;
    while (start + site->size < end && (to_end || site->size < TL_JUMP_BYTES)) {
        struct tl_insn insn;
        const uint8_t *at = torture_text + start + site->size;
        if (tl_insn_decode(&insn, at, end - start - site->size, TL_MODE_64) != TL_OK) {
            printf("torture: no instruction at offset %#x\n", start + site->size);
            exit(1);
        }
        if (leaves(function, &insn))
            site->exits |= (uint16_t)(1u << site->insns);
        site->size = (uint8_t)(site->size + insn.length);
        site->insns++;
    }
    site->tactic = site->size < TL_JUMP_BYTES ? TL_TACTIC_TRAP : TL_TACTIC_JUMP;
    memcpy(site->bytes, torture_text + start, site->size);
}

unsigned torture_sites(uint32_t i, struct tl_wire_site *sites)
{
    const struct torture_function *function = &torture_functions[i];
    bool tiny = function->flavor == TORTURE_TINY;
    memset(sites, 0, TORTURE_SITES_MAX * sizeof(*sites));
    sites[0].kind = TL_SITE_ENTRY;
    sites[0].function = i + 1;
    window(function, function->entry, function->end, tiny, &sites[0]);
    if (tiny)
        return 1;
    unsigned last = function->link ? 2 : 1;
    if (function->link) {
        sites[1].kind = TL_SITE_LINK;
        sites[1].function = i + 1;
        window(function, function->link, function->link_end, true, &sites[1]);
    }
    sites[last].kind = TL_SITE_BODY;
    sites[last].function = i + 1;
    window(function, function->exit, function->end, true, &sites[last]);
    return last + 1;
}
