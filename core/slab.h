/* SPDX-License-Identifier: MIT
 *
 * Memory for records that live for ever: sites, and what belongs to them. Poke side.
 */
#ifndef TL_CORE_SLAB_H
#define TL_CORE_SLAB_H

#include <stddef.h>

/* size bytes, zeroed, aligned to 16; NULL: the port has none. Never given back: a trap may come late. */
void *tli_slab_take(size_t size);

#endif
