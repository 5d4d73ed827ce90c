/* SPDX-License-Identifier: MIT
 *
 * What differs between the widths when code is moved. Twin: arch/x86/32/code.h.
 */
#ifndef TL_ARCH_CODE_H
#define TL_ARCH_CODE_H

#include <stddef.h>
#include <stdint.h>

#define TL_ARCH_PUSH_RETURN_BYTES 20

/* Writes code that pushes value as a call would: through a real call, so that the return predictor stays in step. Keeps
 * the flags. Returns how many bytes. */
static inline size_t tl_arch_push_return(uint8_t *to, uintptr_t value)
{
    static const uint8_t call_next[5] = {0xe8, 0, 0, 0, 0};
    static const uint8_t store_low[3] = {0xc7, 0x04, 0x24};        /* movl $imm32, (%rsp) */
    static const uint8_t store_high[4] = {0xc7, 0x44, 0x24, 0x04}; /* movl $imm32, 4(%rsp) */
    size_t n = 0;
    for (unsigned i = 0; i < sizeof(call_next); i++)
        to[n++] = call_next[i];
    for (unsigned i = 0; i < sizeof(store_low); i++)
        to[n++] = store_low[i];
    for (unsigned i = 0; i < 4; i++)
        to[n++] = (uint8_t)(value >> 8 * i);
    for (unsigned i = 0; i < sizeof(store_high); i++)
        to[n++] = store_high[i];
    for (unsigned i = 4; i < 8; i++)
        to[n++] = (uint8_t)(value >> 8 * i);
    return n;
}

#endif
