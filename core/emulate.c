/* SPDX-License-Identifier: MIT
 *
 * One instruction's effect on a trapped context. See emulate.h. Everything but tli_can_emulate() is in .text.trap and
 * calls nothing outside it. Source: Intel SDM vol. 2, AMD APM vol. 3; the tests compare with the processor.
 */
#include <core/emulate.h>
#include <core/section.h>
#include <operand.h>

enum { CF = 1 << 0, PF = 1 << 2, ZF = 1 << 6, SF = 1 << 7, OF = 1 << 11, RF = 1 << 16, VM = 1 << 17 };

/* Opcodes of the one-byte map that are no branches. */
enum {
    PUSH_REGISTER = 0x50, /* to 57 */
    POP_REGISTER = 0x58,  /* to 5f */
    PUSH_IMMEDIATE = 0x68,
    PUSH_IMMEDIATE_8 = 0x6a,
    PUSHF = 0x9c,
    LEAVE = 0xc9,
    GROUP_5 = 0xff,
    GROUP_5_PUSH = 6,
};

enum { LOOPNE = 0xe0, LOOPE = 0xe1, LOOP = 0xe2 }; /* e3: jcxz */

/* At any address; the interrupted program may keep its stack as it likes. */
struct word {
    uintptr_t value;
} __attribute__((packed, may_alias));

TLI_TRAP static uintptr_t load(uintptr_t address)
{
    return ((const struct word *)address)->value;
}

TLI_TRAP static uintptr_t pop(struct tl_regs *regs)
{
    uintptr_t value = load(regs->gpr[TL_REG_SP]);
    regs->gpr[TL_REG_SP] += sizeof(value);
    return value;
}

TLI_TRAP static unsigned field(const struct tl_insn *insn, unsigned rex_bit, unsigned low)
{
    return (insn->rex >> rex_bit & 1u) << 3 | (low & 7);
}

TLI_TRAP static uintptr_t memory_address(const struct tl_regs *regs, const struct tl_insn *insn, const uint8_t *bytes,
                                         uintptr_t behind)
{
    uintptr_t address = (uintptr_t)(intptr_t)insn->disp;
    unsigned mod = insn->modrm >> 6;
    if (insn->flags & TL_INSN_RIP_RELATIVE) {
        address += behind;
    } else if ((insn->modrm & 7) == 4) {
        uint8_t sib = bytes[insn->modrm_offset + 1];
        unsigned index = field(insn, 1, sib >> 3);
        if (mod != 0 || (sib & 7) != 5)
            address += regs->gpr[field(insn, 0, sib)];
        if (index != TL_REG_SP)
            address += (uintptr_t)regs->gpr[index] << (sib >> 6);
    } else if (mod != 0 || (insn->modrm & 7) != 5) {
        address += regs->gpr[field(insn, 0, insn->modrm)];
    }
    return insn->flags & TL_INSN_ADDRSIZE ? address & TL_ARCH_SHORT_ADDRESS_MASK : address;
}

/* The operand of a branch or a push, as it is before anything is pushed. */
TLI_TRAP static uintptr_t operand(const struct tl_regs *regs, const struct tl_insn *insn, const uint8_t *bytes,
                                  uintptr_t behind)
{
    if (insn->modrm >> 6 == 3)
        return regs->gpr[field(insn, 0, insn->modrm)];
    return load(memory_address(regs, insn, bytes, behind));
}

/* The 16 conditions, Intel SDM vol. 1 appendix B: eight, and each one's opposite. */
TLI_TRAP static bool condition(unsigned cc, uintptr_t flags)
{
    bool less = !(flags & SF) != !(flags & OF), holds;
    switch (cc >> 1) {
    case 0:
        holds = flags & OF;
        break;
    case 1:
        holds = flags & CF;
        break;
    case 2:
        holds = flags & ZF;
        break;
    case 3:
        holds = flags & (CF | ZF);
        break;
    case 4:
        holds = flags & SF;
        break;
    case 5:
        holds = flags & PF;
        break;
    case 6:
        holds = less;
        break;
    default:
        holds = less || (flags & ZF);
    }
    return holds != (cc & 1);
}

/* Counts down, for those that do, and says whether the branch is taken. */
TLI_TRAP static bool loop(struct tl_regs *regs, const struct tl_insn *insn)
{
    uintptr_t before = regs->gpr[TL_REG_CX];
    bool narrow = insn->flags & TL_INSN_ADDRSIZE, zero = regs->flags & ZF;
    uintptr_t mask = narrow ? TL_ARCH_SHORT_ADDRESS_MASK : ~(uintptr_t)0;
    if (insn->opcode > LOOP)
        return (before & mask) == 0;
    regs->gpr[TL_REG_CX] = narrow ? tl_arch_short_counter(before, before - 1) : before - 1;
    bool more = ((before - 1) & mask) != 0;
    return more && (insn->opcode == LOOP || zero == (insn->opcode == LOOPE));
}

TLI_TRAP static void emulate_return(struct tl_regs *regs, const struct tl_insn *insn, const uint8_t *bytes)
{
    regs->ip = pop(regs);
    if (insn->imm_size == 2)
        regs->gpr[TL_REG_SP] += bytes[insn->imm_offset] | (unsigned)bytes[insn->imm_offset + 1] << 8;
}

TLI_TRAP static uintptr_t immediate(const struct tl_insn *insn, const uint8_t *bytes)
{
    const uint8_t *from = bytes + insn->imm_offset;
    if (insn->imm_size == 1)
        return (uintptr_t)(intptr_t)(int8_t)from[0];
    uint32_t value = from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
    return (uintptr_t)(intptr_t)(int32_t)value;
}

/* Those that go on behind themselves. */
TLI_TRAP static void emulate_stack(struct tl_regs **regs, const struct tl_insn *insn, const uint8_t *bytes,
                                   uintptr_t behind)
{
    struct tl_regs *now = *regs;
    unsigned number = field(insn, 0, insn->opcode);
    uintptr_t value;
    now->ip = behind;
    switch (insn->opcode) {
    case PUSH_IMMEDIATE:
    case PUSH_IMMEDIATE_8:
        value = immediate(insn, bytes);
        break;
    case PUSHF:
        value = now->flags & ~(uintptr_t)(RF | VM);
        break;
    case GROUP_5:
        value = operand(now, insn, bytes, behind);
        break;
    case LEAVE:
        now->gpr[TL_REG_SP] = now->gpr[TL_REG_BP];
        now->gpr[TL_REG_BP] = pop(now);
        return;
    default:
        if (insn->opcode >= POP_REGISTER) {
            value = pop(now); /* first the stack pointer moves: pop %rsp keeps what was popped */
            now->gpr[number] = value;
            return;
        }
        value = now->gpr[number];
    }
    tl_port_push(regs, value);
}

TLI_TRAP void tli_emulate(struct tl_regs **regs, const struct tl_insn *insn, const uint8_t *bytes, uintptr_t address)
{
    struct tl_regs *now = *regs;
    uintptr_t behind = address + insn->length, target = behind + (uintptr_t)(intptr_t)insn->rel;
    switch (insn->category) {
    case TL_INSN_NOP:
    case TL_INSN_ENDBR:
        now->ip = behind;
        break;
    case TL_INSN_CALL_REL:
        tli_emulate_call(regs, behind, target);
        break;
    case TL_INSN_CALL_IND:
        tli_emulate_call(regs, behind, operand(now, insn, bytes, behind));
        break;
    case TL_INSN_JMP_REL:
        now->ip = target;
        break;
    case TL_INSN_JMP_IND:
        now->ip = operand(now, insn, bytes, behind);
        break;
    case TL_INSN_JCC:
        now->ip = condition(insn->cc, now->flags) ? target : behind;
        break;
    case TL_INSN_LOOP:
        now->ip = loop(now, insn) ? target : behind;
        break;
    case TL_INSN_RET:
        emulate_return(now, insn, bytes);
        break;
    default:
        emulate_stack(regs, insn, bytes, behind);
    }
}

static bool is_stack(const struct tl_insn *insn)
{
    if (insn->map != 0)
        return false;
    switch (insn->opcode) {
    case PUSH_IMMEDIATE:
    case PUSH_IMMEDIATE_8:
    case PUSHF:
    case LEAVE:
        return true;
    case GROUP_5:
        return (insn->modrm >> 3 & 7) == GROUP_5_PUSH;
    default:
        return insn->opcode >= PUSH_REGISTER && insn->opcode < POP_REGISTER + 8;
    }
}

bool tli_can_emulate(const struct tl_insn *insn)
{
    bool memory = insn->modrm_offset != 0 && insn->modrm >> 6 != 3;
    if (insn->category == TL_INSN_NOP || insn->category == TL_INSN_ENDBR)
        return true;
    /* 16-bit operands: Intel and AMD differ on branches. Segment bases are not in the registers. */
    if (insn->flags & (TL_INSN_OPSIZE | TL_INSN_SEGMENT))
        return false;
    if (memory && (insn->flags & TL_INSN_ADDRSIZE) && !TL_ARCH_SHORT_MEMORY)
        return false;
    switch (insn->category) {
    case TL_INSN_CALL_REL:
    case TL_INSN_CALL_IND:
    case TL_INSN_JMP_REL:
    case TL_INSN_JMP_IND:
    case TL_INSN_JCC:
    case TL_INSN_LOOP:
    case TL_INSN_RET:
        return true;
    default:
        return insn->category == TL_INSN_OTHER && is_stack(insn);
    }
}
