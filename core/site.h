/* SPDX-License-Identifier: MIT
 *
 * The site table: what the trap side searches and the poke side publishes. A site stays in the table after it has been
 * taken out of the text (a tombstone): a trap can be delivered long after its int3 was fetched. Poking itself is in
 * poke.c, what a trap does with a site in trap.c.
 *
 * Operations of the table against each other:
 *
 *                 find            publish         change of state
 *   find          safe            safe [S1]       safe [S2]
 *   publish                       text lock       text lock
 *   change                                        text lock
 *
 * A find may be nested in another find (a trap in a signal handler), and in a publish of another thread.
 */
#ifndef TL_CORE_SITE_H
#define TL_CORE_SITE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <trapline/status.h>

#define TLI_SITE_BYTES 5 /* at most so many bytes of the text are overwritten */

enum tli_site_state {
    TLI_SITE_LEAVING,  /* being taken out: a trap is given the old meaning, start 0's copy without the record */
    TLI_SITE_STANDING, /* armed, or being armed: a trap is given the new meaning */
    TLI_SITE_GONE,     /* the old bytes are back on every core */
};

struct tli_site {
    uintptr_t address;
    uintptr_t stub;                 /* where the new code leads: the first byte's new meaning */
    uint16_t label[TLI_SITE_BYTES]; /* offset in the stub of the copy of the instruction that began at byte i */
    uint8_t old_bytes[TLI_SITE_BYTES];
    uint8_t new_bytes[TLI_SITE_BYTES];
    uint8_t size;                 /* bytes overwritten: 1 (an int3 that stays) or 5 (a jmp) */
    uint8_t starts;               /* bit i: byte i begins an instruction in the old or in the new code */
    uint8_t ghosts;               /* the same, of sites taken out that this one has replaced in the table */
    _Atomic uint8_t state;        /* enum tli_site_state */
    uint8_t guard;                /* 1: holds a guarded system call, stays when the functions' sites go */
    struct tli_stub_shape *shape; /* what the stub was made from; core/stub.c */
};

struct tli_table {
    size_t count;
    size_t room;              /* bytes of memory, this header included */
    struct tli_site *sites[]; /* sorted by address, no two overlap */
};

/* The site whose overwritten bytes hold address at an instruction start, or NULL. Trap side. */
struct tli_site *tli_site_find(uintptr_t address);

/* The site that begins at address, standing or not, or NULL. Poke side. */
struct tli_site *tli_site_any(uintptr_t address);

/* True if a standing site overlaps the size bytes at address. Poke side. */
bool tli_site_overlaps(uintptr_t address, size_t size);

/* Merges count sites, sorted by address, into the table and publishes it. A tombstone that a new site overlaps is
 * dropped; a site that overlaps a standing one: TL_OVERLAP, nothing changed. The sites' memory belongs to the table
 * from then on. Poke side. TL_NO_MEMORY. */
enum tl_status tli_site_publish(struct tli_site *const *sites, size_t count);

/* The table as published, for the poke side. NULL: no site yet. */
const struct tli_table *tli_site_table(void);

/* Around everything that the trap side does with a site. Enter returns a cookie for leave. */
unsigned tli_site_enter(void);
void tli_site_leave(unsigned cookie);

/* Returns when every handler that was inside has left. Poke side. */
void tli_site_wait(void);

#endif
