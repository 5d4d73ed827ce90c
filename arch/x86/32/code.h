/* SPDX-License-Identifier: MIT
 *
 * What differs between the widths when code is moved. Twin: arch/x86/64/code.h.
 */
#ifndef TL_ARCH_CODE_H
#define TL_ARCH_CODE_H

#include <stddef.h>
#include <stdint.h>

#define TL_ARCH_PUSH_RETURN_BYTES 12

/* Writes code that pushes value as a call would: through a real call, so that the return predictor stays in step. Keeps
 * the flags. Returns how many bytes. */
static inline size_t tl_arch_push_return(uint8_t *to, uintptr_t value)
{
    static const uint8_t head[8] = {0xe8, 0, 0, 0, 0, 0xc7, 0x04, 0x24}; /* call next; movl $imm32, (%esp) */
    size_t n = 0;
    for (unsigned i = 0; i < sizeof(head); i++)
        to[n++] = head[i];
    for (unsigned i = 0; i < 4; i++)
        to[n++] = (uint8_t)(value >> 8 * i);
    return n;
}

#endif
