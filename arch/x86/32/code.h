/* SPDX-License-Identifier: MIT
 *
 * What differs between the widths when code is moved. Twin: arch/x86/64/code.h.
 */
#ifndef TL_ARCH_CODE_H
#define TL_ARCH_CODE_H

#include <stddef.h>
#include <stdint.h>

#define TL_ARCH_PUSH_RETURN_BYTES 13

/* Opcodes that trap. */
#define TL_ARCH_TRAPS_TOP                                                                                              \
    {                                                                                                                  \
        0xcc                                                                                                           \
    }
#define TL_ARCH_TRAPS_LOW                                                                                              \
    {                                                                                                                  \
        0xcc                                                                                                           \
    }

/* Writes code that pushes value as a call would: through a real call, so that the return predictor stays in step; over
 * an int3, as processors take a call to what follows it for no call. Keeps the flags. Returns how many bytes. */
static inline size_t tl_arch_push_return(uint8_t *to, uintptr_t value)
{
    static const uint8_t head[9] = {0xe8, 1, 0, 0, 0, 0xcc, 0xc7, 0x04, 0x24}; /* call; int3; movl $imm32, (%esp) */
    size_t n = 0;
    for (unsigned i = 0; i < sizeof(head); i++)
        to[n++] = head[i];
    for (unsigned i = 0; i < 4; i++)
        to[n++] = (uint8_t)(value >> 8 * i);
    return n;
}

#define TL_ARCH_PROBE_CALL_BYTES 16

/* Writes code, to run at address, that calls trampoline; the trampoline finds data at TL_PROBE_DATA from its return
 * address (probe.h). Keeps registers and flags. */
static inline void tl_arch_probe_call(uint8_t *to, uintptr_t address, uintptr_t trampoline, uintptr_t data)
{
    to[0] = 0xff; /* call *first word */
    to[1] = 0x15;
    to[6] = 0xeb; /* jmp behind both */
    to[7] = 8;
    for (unsigned i = 0; i < 4; i++) {
        to[2 + i] = (uint8_t)((address + 8) >> 8 * i);
        to[8 + i] = (uint8_t)(trampoline >> 8 * i);
        to[12 + i] = (uint8_t)(data >> 8 * i);
    }
}

#endif
