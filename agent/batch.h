/* SPDX-License-Identifier: MIT
 *
 * A batch of sites in the making: what arm.c, batch.c and links.c share. Poke side; run by the agent's thread.
 */
#ifndef TL_AGENT_BATCH_H
#define TL_AGENT_BATCH_H

#include <core/site.h>
#include <core/stub.h>
#include <stdbool.h>
#include <wire/site.h>

#define TLI_JMP 0xe9
#define TLI_INT3 0xcc

/* A window whose jmp finds no place becomes an int3 for each instruction that matters, so a site asked for may be
 * several here. */
struct tli_batch {
    struct tli_site **sites; /* all that will be poked */
    size_t count, room;
    struct tli_site **fresh; /* those of them that are not in the table yet */
    size_t fresh_count;
    struct tli_site **entry; /* of this batch, by function id from entry_first on */
    uint32_t entry_first, entry_count;
    size_t sorted; /* so many of sites stand in order of their addresses */
    bool anew;     /* no old stub will do */
};

/* batch.c: builds or finds the site's stub and takes it in; says in spec what became of it. */
void tli_batch_add(struct tli_batch *batch, struct tl_wire_site *spec);
/* Where the batch keeps the entry site of a function, NULL if it has none. */
struct tli_site **tli_batch_entry(const struct tli_batch *batch, uint32_t function);
/* What the stubs of this session call and do; no links. */
void tli_batch_target(struct tli_stub_target *target);
/* Where there is a byte a function, for tracers that want to know whether it was called. */
uintptr_t tli_batch_called(void);

/* arm.c: sorts by address. */
void tli_batch_sort(struct tli_site **sites, size_t count);

/* links.c: sets target's links for the branches of a window that lead back to its function's entry, to the copy behind
 * the record; and, if inner is set, for those that lead into bytes that another site of the batch overwrites, to the
 * copy there. Returns how many these are. */
unsigned tli_links_find(const struct tli_batch *batch, const struct tl_wire_site *spec, bool inner,
                        struct tli_stub_target *target);
/* When all else is in the batch: takes in the links among sites, and leads each branch of a stub to the stubs of the
 * others. */
void tli_links_add(struct tli_batch *batch, struct tl_wire_site *sites, uint32_t count);

#endif
