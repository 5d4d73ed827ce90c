/* SPDX-License-Identifier: MIT
 *
 * The first stage of a breakpoint: is it a site's, and where does its thread go on. See trap.h. Calls only within
 * .text.trap.
 */
#include <core/section.h>
#include <core/site.h>
#include <core/trap.h>
#include <regs.h>
#include <trapline/port.h>

/* What a trap at offset in site means now: an address to go on at, or 0 when the text decides. */
TLI_TRAP static uintptr_t meaning(struct tli_site *site, uintptr_t offset)
{
    if (!(site->starts >> offset & 1))
        return 0; /* of a site that stood here before */
    /* [S2] acquire: with GONE the old bytes are in the text. Pairs with the release in tli_poke(). */
    switch (atomic_load_explicit(&site->state, memory_order_acquire)) {
    case TLI_SITE_STANDING:
        return offset == 0 ? site->stub : site->stub + site->label[offset];
    case TLI_SITE_LEAVING:
        return site->stub + site->label[offset];
    default:
        return 0;
    }
}

TLI_TRAP bool tli_trap(struct tl_regs **regs, uintptr_t address)
{
    bool mine = false;
    unsigned cookie = tli_site_enter();
    struct tli_site *site = tli_site_find(address);
    if (site) {
        uintptr_t offset = address - site->address;
        uintptr_t next = meaning(site, offset);
        if (next == 0 && tl_port_text_byte(address) != 0xcc)
            next = address; /* a late one: the int3 was fetched, then taken out before we looked. Run what is there. */
        if (next != 0) {
            (*regs)->ip = next;
            mine = true;
        }
    }
    tli_site_leave(cookie);
    return mine;
}
