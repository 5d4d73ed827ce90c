/* SPDX-License-Identifier: MIT
 *
 * Windows become sites: for whom one is asked for, and how it is taken in. Called by plan.c and links.c.
 */
#include <plan/decode.h>
#include <plan/window.h>
#include <string.h>

static void push(struct tli_module *m, const struct tl_wire_site *site)
{
    struct tl_module *module = m->module;
    TLI_PUSH(m, module->sites, module->site_count, m->site_capacity, *site);
    tli_window_claim(m, site);
}

void tli_window_push(const struct tli_request *q, const struct tl_wire_site *jump)
{
    unsigned at = 0;
    struct tli_insn insn;
    for (unsigned i = 0; jump->tactic == TL_TACTIC_JUMP && i < jump->insns &&
                         tli_decode(&insn, jump->bytes + at, jump->size - at, jump->address + at);
         i++) {
        struct tl_wire_site trap = {.address = jump->address + at, .function = jump->function, .kind = jump->kind};
        bool marked = jump->exits >> i & 1 || jump->kind == TL_SITE_REDIRECT;
        if (marked && tli_window_leaks(q, jump->address, trap.address)) {
            trap.tactic = TL_TACTIC_TRAP;
            trap.size = insn.length;
            trap.insns = 1;
            trap.exits = jump->exits >> i & 1;
            memcpy(trap.bytes, jump->bytes + at, insn.length);
            push(q->m, &trap);
        }
        at += insn.length;
    }
    push(q->m, jump);
}

struct tli_request tli_request_for(struct tli_module *m, uint32_t function, uint8_t kind, uint64_t address)
{
    const struct tl_plan_function *f = &m->module->functions[function];
    struct tli_request q = {m, function, kind, f->address, f->address + f->size, true};
    if (m->facts[function].doubts & (TLI_DOUBT_INDIRECT | TLI_DOUBT_BYTES | TLI_DOUBT_ALL_EXITS))
        q.certain = false;
    if (address < q.start || address >= q.end) {
        const struct tli_cold *cold = tli_cold_at(m, address);
        q.start = cold ? cold->start : address;
        q.end = cold ? cold->end : address;
    }
    return q;
}
