/* SPDX-License-Identifier: MIT
 *
 * text_poke, the inner half: changes the bytes of many sites under threads that execute them. Which bytes, and what a
 * trap means meanwhile, is the site table's (site.h); this file only knows the order of writes. Poke side, text lock
 * held.
 */
#ifndef TL_CORE_POKE_H
#define TL_CORE_POKE_H

#include <core/site.h>

enum tli_poke_direction {
    TLI_POKE_ARM,    /* old bytes -> new bytes */
    TLI_POKE_DISARM, /* new bytes -> old bytes */
};

/* Serialisations and batches since the start, for whoever shows them. */
struct tli_poke_count {
    uint64_t batches;
    uint64_t serialisations;
};
extern struct tli_poke_count tli_poke_count;

/* True if the text of site holds what it should before a poke in this direction. */
bool tli_poke_verify(const struct tli_site *site, enum tli_poke_direction direction);

/* Pokes count sites, sorted by address, none overlapping, all in the published table, with three serialisations.
 * Before: the sites' states say the new meaning (STANDING to arm, LEAVING to disarm), and no handler is inside that saw
 * another. After: every core runs the new bytes, and no handler is inside that saw the old ones; a disarmed site's
 * state is GONE.
 *
 * All bytes are verified first; if one site differs, *differs says which and nothing is changed: TL_TEXT_DIFFERS. A
 * write that fails in the middle (the mapping went away) skips that site; the others are finished. */
enum tl_status tli_poke(struct tli_site *const *sites, size_t count, enum tli_poke_direction direction,
                        size_t *differs);

/* The same for sites that the caller has verified. */
void tli_poke_write(struct tli_site *const *sites, size_t count, enum tli_poke_direction direction);

/* Arms the same way sites whose text nobody executes, nor will before this returns: one write a site and one
 * serialisation. */
void tli_poke_write_at_rest(struct tli_site *const *sites, size_t count);

#endif
