/* SPDX-License-Identifier: MIT
 *
 * The public door of the poke, for those in the engine who hold the text lock already. See include/trapline/poke.h.
 */
#ifndef TL_CORE_BATCH_H
#define TL_CORE_BATCH_H

#include <trapline/poke.h>

/* As tl_poke(), with the text lock held. */
enum tl_status tli_batch_poke(const struct tl_poke *pokes, size_t count, size_t *culprit);

#endif
