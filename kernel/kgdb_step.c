/* SPDX-License-Identifier: MIT
 *
 * Single steps of a CPU; see kgdb_step.h.
 */
#include <gdb.h>
#include <kernel/kgdb_step.h>
#include <kernel/kgdb_target.h>
#include <kernel/symbols.h>
#include <ptregs.h>

enum { FLAG_TRAP = 0x100, FLAG_INTERRUPT = 0x200 };
enum { PUSHF = 0x9c, POPF = 0x9d, IRET = 0xcf, HLT = 0xf4, CLI = 0xfa, STI = 0xfb };
enum { DETOUR_STEPS = 1000 }; /* a handler that never comes back to a function: stop where it is */

/* The opcode at the registers' ip, prefixes passed over; 0 if it cannot be read. */
static uint8_t opcode_at(uintptr_t ip)
{
    uint8_t byte = 0;
    for (unsigned i = 0; i < 15 && kgdb_memory_read(ip + i, &byte, 1) == 1; i++)
        if (byte != 0x66 && byte != 0xf2 && byte != 0xf3 && !tl_gdb_rex(byte))
            return byte;
    return 0;
}

void kgdb_step_begin(struct kgdb_step *step, struct pt_regs *regs)
{
    *step = (struct kgdb_step){
        .going = true, .opcode = opcode_at(regs->regs.ip), .interrupt = regs->regs.flags & FLAG_INTERRUPT};
    regs->regs.flags |= FLAG_TRAP;
    regs->regs.flags &= ~(uintptr_t)FLAG_INTERRUPT;
}

void kgdb_step_end(struct kgdb_step *step, struct pt_regs *regs)
{
    if (!step->going)
        return;
    step->going = false;
    regs->regs.flags &= ~(uintptr_t)FLAG_TRAP;
    switch (step->opcode) {
    case CLI:
    case STI:
    case POPF:
    case IRET:
        return; /* it has set the flag itself */
    case PUSHF: {
        uintptr_t pushed;
        if (kgdb_memory_read(regs->regs.gpr[TL_REG_SP], &pushed, sizeof pushed) == sizeof pushed) {
            pushed = (pushed & ~(uintptr_t)FLAG_TRAP) | step->interrupt;
            kgdb_memory_write(regs->regs.gpr[TL_REG_SP], &pushed, sizeof pushed);
        }
        break;
    }
    default:
        break;
    }
    regs->regs.flags |= step->interrupt;
}

bool kgdb_step_is_of(const struct kgdb_step *step, const struct pt_regs *regs)
{
    return step->going && (regs->regs.flags & FLAG_TRAP);
}

bool kgdb_step_halt(struct pt_regs *regs)
{
    if (opcode_at(regs->regs.ip) != HLT)
        return false;
    regs->regs.ip++;
    return true;
}

bool kgdb_step_goes_on(struct kgdb_step *step, struct pt_regs *regs)
{
    struct symbol symbol;
    return step->detour && step->steps++ < DETOUR_STEPS && !symbol_of(regs->regs.ip, &symbol);
}

bool kgdb_step_emulated(struct kgdb_step *step, struct pt_regs *regs)
{
    if (!kgdb_step_is_of(step, regs))
        return false;
    step->detour = true;
    return !kgdb_step_goes_on(step, regs);
}
