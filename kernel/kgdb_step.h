/* SPDX-License-Identifier: MIT
 *
 * One instruction of one CPU, by the trap flag, with interrupts kept out so that it is this thread's. Over an int3 of
 * the engine's a step is what the int3 stands for. Between the kgdb files only.
 */
#ifndef KERNEL_KGDB_STEP_H
#define KERNEL_KGDB_STEP_H

#include <stdbool.h>
#include <stdint.h>

struct pt_regs;

struct kgdb_step {
    bool going;
    bool detour;         /* the engine runs the instruction elsewhere: the step ends when it is back in a function */
    uint8_t opcode;      /* of the instruction that is stepped */
    uintptr_t interrupt; /* the interrupt flag before */
    unsigned steps;      /* of the detour */
};

/* Prepares the registers of a held CPU. */
void kgdb_step_begin(struct kgdb_step *step, struct pt_regs *regs);

/* Takes the trap flag away and gives the interrupt flag back. Nothing happens if no step was going. */
void kgdb_step_end(struct kgdb_step *step, struct pt_regs *regs);

/* True if regs are of the context that is being stepped; false: of a trap within the step, whose flag is off. */
bool kgdb_step_is_of(const struct kgdb_step *step, const struct pt_regs *regs);

/* hlt, with interrupts kept out, would never end: true if it was one, and counts as done. */
bool kgdb_step_halt(struct pt_regs *regs);

/* A debug exception, and an int3 of the engine's, while the step is going. */
bool kgdb_step_goes_on(struct kgdb_step *step, struct pt_regs *regs);
bool kgdb_step_emulated(struct kgdb_step *step, struct pt_regs *regs);

#endif
