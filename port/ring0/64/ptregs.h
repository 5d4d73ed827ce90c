/* SPDX-License-Identifier: MIT
 *
 * What an x86-64 trap leaves on the stack, lowest address first. Made and taken apart by entry.S. The CPU pushes the
 * stack pointer always, so it is complete. Twin: port/ring0/32/ptregs.h.
 */
#ifndef PORT_RING0_PTREGS_H
#define PORT_RING0_PTREGS_H

/* Offsets, for entry.S. */
#define PTREGS_AX 0
#define PTREGS_SP 32
#define PTREGS_IP 128
#define PTREGS_FLAGS 136
#define PTREGS_VECTOR 144
#define PTREGS_IRET_IP 160
#define PTREGS_CS 168
#define PTREGS_IRET_FLAGS 176
#define PTREGS_IRET_SP 184
#define PTREGS_IRET_SS 192

#ifndef __ASSEMBLER__
#include <regs.h>
#include <stdbool.h>
#include <stddef.h>

struct pt_regs {
    struct tl_regs
        regs; /* what handlers read and change; ip, flags and sp are copied to the words below on the way out */
    uint64_t vector;
    uint64_t error_code;
    uint64_t iret_ip;
    uint64_t cs;
    uint64_t iret_flags;
    uint64_t sp, ss;
};

_Static_assert(offsetof(struct pt_regs, regs.ip) == PTREGS_IP, "entry.S");
_Static_assert(offsetof(struct pt_regs, vector) == PTREGS_VECTOR, "entry.S");
_Static_assert(offsetof(struct pt_regs, ss) == PTREGS_IRET_SS, "entry.S");

static inline bool user_mode(const struct pt_regs *regs)
{
    return (regs->cs & 3) != 0;
}
#endif

#endif
