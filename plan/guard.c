/* SPDX-License-Identifier: MIT
 *
 * Guards: the places where the file itself asks the kernel for rt_sigaction, rt_sigprocmask, rt_sigpending,
 * rt_sigsuspend, prctl or execve, by a known run of instructions. Found by their bytes all over the executable
 * sections. Called by module.c.
 */
#include <plan/decode.h>
#include <plan/module.h>
#include <plan/operands.h>
#include <string.h>

enum {
    AFTER_MOV_MAX = 4,
    SYS_RT_SIGACTION = 13,
    SYS_RT_SIGPROCMASK = 14,
    SYS_EXECVE = 59,
    SYS_RT_SIGPENDING = 127,
    SYS_RT_SIGSUSPEND = 130,
    SYS_PRCTL = 157
};

static bool guarded(uint8_t number)
{
    return number == SYS_RT_SIGACTION || number == SYS_RT_SIGPROCMASK || number == SYS_EXECVE ||
           number == SYS_RT_SIGPENDING || number == SYS_PRCTL || number == SYS_RT_SIGSUSPEND;
}

static bool writes_rax(const struct tli_operands *o)
{
    for (unsigned i = 0; i < o->insn.operand_count; i++) {
        const ZydisDecodedOperand *operand = &o->operand[i];
        if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER && operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE &&
            ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, operand->reg.value) == ZYDIS_REGISTER_RAX)
            return true;
    }
    return false;
}

/* Length of a mov of a guarded number into eax or rax at b, or 0. */
static unsigned mov_at(const uint8_t *b, size_t size, uint8_t *number)
{
    unsigned at = 0;
    if (size < 7)
        return 0;
    if (b[0] == 0xb8)
        at = 1;
    else if (b[0] == 0x48 && b[1] == 0xc7 && b[2] == 0xc0)
        at = 3;
    if (!at || !guarded(b[at]) || b[at + 1] || b[at + 2] || b[at + 3])
        return 0;
    *number = b[at];
    return at + 4;
}

static bool take_run(struct tl_wire_site *site, const uint8_t *bytes, size_t size, uint64_t address, unsigned mov_bytes)
{
    unsigned length = mov_bytes, insns = 1;
    for (;;) {
        struct tli_insn insn;
        struct tli_operands o;
        if (insns > AFTER_MOV_MAX + 1 || !tli_decode(&insn, bytes + length, size - length, address + length))
            return false;
        length += insn.length;
        insns++;
        if (length > TL_SITE_MAX_BYTES || insns > TL_SITE_MAX_INSNS)
            return false;
        if (insn.class == TLI_SYSCALL && bytes[length - 2] == 0x0f && bytes[length - 1] == 0x05)
            break;
        if ((insn.class != TLI_OTHER && insn.class != TLI_NOP) ||
            !tli_operands(&o, bytes + length - insn.length, size - (length - insn.length)) || writes_rax(&o))
            return false;
    }
    site->size = (uint8_t)length;
    site->insns = (uint8_t)insns;
    memcpy(site->bytes, bytes, length);
    return true;
}

static bool target_inside(const struct tli_region *region, uint64_t address)
{
    for (uint64_t at = address + 1; at < address + TL_JUMP_BYTES && at < region->end; at++)
        if (tli_bit(region->targets, at - region->start))
            return true;
    return false;
}

static void search_section(struct tli_module *m, const struct tli_section *section)
{
    const struct tli_region *region = tli_region_at(m, section->start);
    struct tl_module *module = m->module;
    const uint8_t *bytes = region->bytes + (section->start - region->start);
    size_t size = (size_t)(section->end - section->start);
    for (size_t i = 0; i < size; i++) {
        struct tl_wire_site site = {.kind = TL_SITE_GUARD, .tactic = TL_TACTIC_JUMP, .address = section->start + i};
        unsigned mov = mov_at(bytes + i, size - i, &site.syscall_number);
        if (!mov || target_inside(region, site.address) || !take_run(&site, bytes + i, size - i, site.address, mov))
            continue;
        TLI_PUSH(m, module->guards, module->guard_count, m->guard_capacity, site);
        i += site.size - 1u;
    }
}

void tli_guards_find(struct tli_module *m)
{
    for (size_t i = 0; i < m->section_count; i++)
        if (!m->sections[i].plt)
            search_section(m, &m->sections[i]);
}
