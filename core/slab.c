/* SPDX-License-Identifier: MIT
 *
 * Memory that is never freed, by the piece. See slab.h.
 */
#include <core/slab.h>
#include <stdint.h>
#include <trapline/port.h>

#define SLAB_BYTES ((size_t)64 * 1024)

static uint8_t *next;
static size_t left_bytes;

void *tli_slab_take(size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (left_bytes < size) {
        size_t room = size > SLAB_BYTES ? size : SLAB_BYTES;
        uint8_t *slab = tl_port_memory(room);
        if (!slab)
            return 0;
        next = slab;
        left_bytes = room;
    }
    void *taken = next;
    next += size;
    left_bytes -= size;
    return taken;
}
