/* SPDX-License-Identifier: MIT
 *
 * What differs between the widths when code is moved. Twin: arch/x86/32/code.h.
 */
#ifndef TL_ARCH_CODE_H
#define TL_ARCH_CODE_H

#include <stddef.h>
#include <stdint.h>

#define TL_ARCH_PUSH_RETURN_BYTES 21

/* Opcodes that trap: int3, then those that are invalid in 64-bit mode, as far as a displacement may hold them. In its
 * top byte they decide how far away a jump leads, so that list is ordered by how little is in the way there: far above
 * first, where neither the program's heap nor its libraries are, for programs at fixed low addresses; but 0xcc, about
 * 860 MB below, before all. 0xd5 is left out (a prefix on newer processors), as are 0x62, 0x82, 0xc4 and 0xc5. */
#define TL_ARCH_TRAPS_TOP                                                                                              \
    {                                                                                                                  \
        0xcc, 0xce, 0xd4, 0x60, 0x61, 0x3f, 0x37, 0x2f, 0x27, 0x9a, 0x1f, 0x1e, 0x17, 0x16, 0x0e, 0xea                 \
    }
#define TL_ARCH_TRAPS_LOW                                                                                              \
    {                                                                                                                  \
        0xcc, 0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x9a, 0xce, 0xd4, 0xea     \
    }

/* Writes code that pushes value as a call would: through a real call, so that the return predictor stays in step; over
 * an int3, as processors take a call to what follows it for no call. Keeps the flags. Returns how many bytes. */
static inline size_t tl_arch_push_return(uint8_t *to, uintptr_t value)
{
    static const uint8_t call_over[6] = {0xe8, 1, 0, 0, 0, 0xcc};
    static const uint8_t store_low[3] = {0xc7, 0x04, 0x24};        /* movl $imm32, (%rsp) */
    static const uint8_t store_high[4] = {0xc7, 0x44, 0x24, 0x04}; /* movl $imm32, 4(%rsp) */
    size_t n = 0;
    for (unsigned i = 0; i < sizeof(call_over); i++)
        to[n++] = call_over[i];
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

#define TL_ARCH_PROBE_CALL_BYTES 37

/* Writes code, to run at address, that calls trampoline below the red zone; the trampoline finds data at
 * TL_PROBE_DATA from its return address (probe.h). Keeps registers and flags. */
static inline void tl_arch_probe_call(uint8_t *to, uintptr_t address, uintptr_t trampoline, uintptr_t data)
{
    static const uint8_t head[13] = {
        0x48, 0x8d, 0x64, 0x24, 0x80,    /* lea -128(%rsp), %rsp */
        0xff, 0x15, 2,    0,    0,    0, /* call *first word */
        0xeb, 16,                        /* jmp behind both */
    };
    static const uint8_t back[8] = {0x48, 0x8d, 0xa4, 0x24, 0x80, 0, 0, 0}; /* lea 128(%rsp), %rsp */
    (void)address;
    for (unsigned i = 0; i < 13; i++)
        to[i] = head[i];
    for (unsigned i = 0; i < 8; i++) {
        to[13 + i] = (uint8_t)(trampoline >> 8 * i);
        to[21 + i] = (uint8_t)(data >> 8 * i);
        to[29 + i] = back[i];
    }
}

#endif
