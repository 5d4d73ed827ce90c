/* SPDX-License-Identifier: MIT
 *
 * What the engine's other rooms ask about static keys. See include/trapline/key.h.
 */
#ifndef TL_CORE_KEY_H
#define TL_CORE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True if a place that reads a key holds one of the size bytes at address. Text lock held. */
bool tli_key_in(uintptr_t address, size_t size);

#endif
