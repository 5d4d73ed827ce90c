/* SPDX-License-Identifier: MIT
 *
 * What an i386 trap leaves on the stack, lowest address first. Made and taken apart by entry.S; how complete it is when
 * the trap came from kernel mode is told by frame.h, in two ways. Twin: port/ring0/64/ptregs.h.
 */
#ifndef PORT_RING0_PTREGS_H
#define PORT_RING0_PTREGS_H

/* Offsets, for entry.S. */
#define PTREGS_AX 0
#define PTREGS_SP 16
#define PTREGS_IP 32
#define PTREGS_FLAGS 36
#define PTREGS_VECTOR 40
#define PTREGS_IRET_IP 48
#define PTREGS_CS 52
#define PTREGS_IRET_FLAGS 56
#define PTREGS_IRET_SP 60
#define PTREGS_IRET_SS 64

#ifndef __ASSEMBLER__
#include <regs.h>
#include <stdbool.h>
#include <stddef.h>

struct pt_regs {
    struct tl_regs regs; /* what handlers read and change; ip and flags are copied to the words below on the way out */
    uint32_t vector;
    uint32_t error_code;
    uint32_t iret_ip;
    uint32_t cs;
    uint32_t iret_flags;
    uint32_t sp, ss; /* pushed by the CPU from user mode only */
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
