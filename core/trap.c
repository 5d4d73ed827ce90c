/* SPDX-License-Identifier: MIT
 *
 * The first stage of a breakpoint: is it a site's, and where does its thread go on. See trap.h. Calls only within
 * .text.trap.
 */
#include <core/emulate.h>
#include <core/section.h>
#include <core/site.h>
#include <core/trap.h>

/* Lets the thread go on where a trap at offset in site means now. False: the text decides, or another in order. */
TLI_TRAP static bool go_on(struct tl_regs **regs, const struct tli_site *site, uintptr_t offset, uint8_t state)
{
    uintptr_t behind = site->address + site->size, target = site->target[state & TLI_SITE_SECOND ? 1 : 0];
    switch (TLI_SITE_MEANING(state)) {
    case TLI_SITE_STANDING:
        (*regs)->ip = offset == 0 ? site->stub : site->stub + site->label[offset];
        return true;
    case TLI_SITE_LEAVING:
        (*regs)->ip = site->stub + site->label[offset];
        return true;
    case TLI_SITE_NOP:
        (*regs)->ip = behind;
        return true;
    case TLI_SITE_JMP:
        (*regs)->ip = target;
        return true;
    case TLI_SITE_CALL:
        tli_emulate_call(regs, behind, target);
        return true;
    default:
        return false;
    }
}

TLI_TRAP bool tli_trap(struct tl_regs **regs, uintptr_t address)
{
    bool mine = false;
    unsigned cookie = tli_site_enter();
    const struct tli_site *site = tli_site_find(address);
    if (site) {
        uintptr_t offset = address - site->address;
        bool ghost = !(site->starts >> offset & 1); /* of a site that stood here before */
        /* [S2] acquire: with GONE the old bytes are in the text, else the target is filled. Pairs with the releases in
         * tli_poke_write() and tl_poke(). */
        uint8_t state = atomic_load_explicit(&site->state, memory_order_acquire);
        mine = !ghost && go_on(regs, site, offset, state);
        if (!mine && tl_port_text_byte(address) != 0xcc) {
            (*regs)->ip = address; /* a late one: the int3 was fetched, then taken out. Run what is there. */
            mine = true;
        }
    }
    tli_site_leave(cookie);
    return mine;
}
