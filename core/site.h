/* SPDX-License-Identifier: MIT
 *
 * The site table: what the trap side searches and the poke side publishes. A site stays in the table after it has been
 * taken out of the text (a tombstone): a trap can be delivered long after its int3 was fetched. Poking itself is in
 * poke.c, what a trap does with a site in trap.c.
 *
 * Operations of the table against each other:
 *
 *                 find            publish         change of state   unmap
 *   find          safe            safe [S1]       safe [S2]         safe
 *   publish                       text lock       text lock         safe [S1]
 *   change                                        text lock         hold [S3]
 *   unmap                                                           safe
 *
 * A find may be nested in another find (a trap in a signal handler), and in a publish of another thread.
 */
#ifndef TL_CORE_SITE_H
#define TL_CORE_SITE_H

#include <core/epoch.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <trapline/status.h>

#define TLI_SITE_BYTES 5 /* at most so many bytes of the text are overwritten */

/* What a trap in a site means: where its thread goes on. */
enum tli_site_state {
    TLI_SITE_LEAVING,  /* STUB, being taken out: start 0's copy in the stub, without the record */
    TLI_SITE_STANDING, /* STUB, armed, or being armed: the stub */
    TLI_SITE_GONE,     /* the old bytes are back on every core: the text decides */
    TLI_SITE_NOP,      /* behind the site */
    TLI_SITE_CALL,     /* target, with the address behind the site pushed */
    TLI_SITE_JMP,      /* target */
    TLI_SITE_INT3,     /* nothing: an int3 that belongs to the next in order */
};

/* In a state: which of the two targets. The other one may be filled meanwhile, so a trap never sees half of a change.
 */
#define TLI_SITE_SECOND 0x80u
#define TLI_SITE_MEANING(state) ((enum tli_site_state)((state) & ~TLI_SITE_SECOND))

struct tli_site {
    uintptr_t address;
    union {
        struct {                          /* STUB */
            uintptr_t stub;               /* where the new code leads: the first byte's new meaning */
            struct tli_stub_shape *shape; /* what the stub was made from; core/stub.c */
        };
        uintptr_t target[2]; /* CALL, JMP: see TLI_SITE_SECOND */
    };
    uint16_t label[TLI_SITE_BYTES]; /* offset in the stub of the copy of the instruction that began at byte i */
    uint8_t old_bytes[TLI_SITE_BYTES];
    uint8_t new_bytes[TLI_SITE_BYTES];
    uint8_t size;          /* bytes overwritten, 1 to 5 */
    uint8_t starts;        /* bit i: byte i begins an instruction in the old or in the new code */
    uint8_t ghosts;        /* the same, of sites at this address that this one has replaced in the table */
    _Atomic uint8_t state; /* enum tli_site_state, and TLI_SITE_SECOND */
    uint8_t guard;         /* 1: holds a guarded system call, stays when the functions' sites go */
    uint8_t plain;         /* 1: made by tl_poke(): no stub, one start */
};

struct tli_table {
    size_t count;
    size_t room;              /* bytes of memory, this header included */
    struct tli_site *sites[]; /* sorted by address, no two at one address; only those that are gone overlap others */
};

/* The site whose overwritten bytes hold address at an instruction start, one that stands before one that is gone, or
 * NULL. Trap side. */
struct tli_site *tli_site_find(uintptr_t address);

/* The site that begins at address, standing or not, or NULL. Poke side. */
struct tli_site *tli_site_any(uintptr_t address);

/* The last standing site that overlaps the size bytes at address, or NULL. Poke side, or inside. */
struct tli_site *tli_site_overlapping(uintptr_t address, size_t size);

/* Merges count sites, sorted by address, into the table and publishes it; then no handler is inside that saw the table,
 * or a site's state, as it was before. A site takes the place of a tombstone at the same address; one that overlaps a
 * standing site: TL_OVERLAP, nothing changed. The sites' memory belongs to the table from then on. Poke side.
 * TL_NO_MEMORY. */
enum tl_status tli_site_publish(struct tli_site *const *sites, size_t count);

/* The table as published, for the poke side. NULL: no site yet. */
const struct tli_table *tli_site_table(void);

/* Who is inside, and whether the sites' memory is held. All zero is a good beginning. A port whose processes fork puts
 * it where a child finds zeros, before the first site: who was inside does not exist there, and nobody pokes. */
struct tli_readers {
    struct tli_epoch epoch;
    _Atomic uint32_t held;
};
void tli_site_readers_at(struct tli_readers *memory);

/* Around everything that the trap side does with a site. Enter returns a cookie for leave. */
unsigned tli_site_enter(void);
void tli_site_leave(unsigned cookie);

/* Returns when every handler that was inside has left. Poke side. */
void tli_site_wait(void);

/* Between these two no published site's memory is unmapped by a thread that asks. Poke side. */
void tli_site_hold(void);
void tli_site_unhold(void);

/* A thread asks, before it unmaps size bytes at address: false, while they are held. Else nobody pokes in them until
 * it ends with the cookie. Any thread, not nested. */
bool tli_site_unmap_begin(uintptr_t address, size_t size, unsigned *cookie);
void tli_site_unmap_end(unsigned cookie);

#endif
