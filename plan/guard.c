/* SPDX-License-Identifier: MIT
 *
 * Guards: the places where the file itself asks the kernel for something that concerns SIGTRAP and SIGILL, for a filter
 * of system calls, or to unmap memory, by a known run of instructions: a number moved into eax, a few more, syscall.
 * Found by their bytes all over the executable sections. And those where the number is a function's first argument:
 * syscall() of the C libraries. Called by module.c.
 */
#include <plan/decode.h>
#include <plan/module.h>
#include <plan/operands.h>
#include <string.h>

#define AFTER_MOV_MAX 7

/* As port/linux/guard.c knows them. */
static const uint16_t guarded[] = {
    11,  /* munmap */
    13,  /* rt_sigaction */
    14,  /* rt_sigprocmask */
    59,  /* execve */
    127, /* rt_sigpending */
    130, /* rt_sigsuspend */
    157, /* prctl */
    270, /* pselect6 */
    271, /* ppoll */
    281, /* epoll_pwait */
    317, /* seccomp */
    322, /* execveat */
    333, /* io_pgetevents */
    426, /* io_uring_enter */
    441, /* epoll_pwait2 */
};

static bool is_guarded(uint16_t number)
{
    for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++)
        if (guarded[i] == number)
            return true;
    return false;
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
static unsigned mov_at(const uint8_t *b, size_t size, uint16_t *number)
{
    unsigned at = 0;
    if (size < 7)
        return 0;
    if (b[0] == 0xb8)
        at = 1;
    else if (b[0] == 0x48 && b[1] == 0xc7 && b[2] == 0xc0)
        at = 3;
    *number = (uint16_t)(b[at] | b[at + 1] << 8);
    return at && is_guarded(*number) && !b[at + 2] && !b[at + 3] ? at + 4 : 0;
}

/* Length of an instruction at b that moves the first argument into eax or rax, or 0. */
static unsigned mov_argument_at(const uint8_t *b, size_t size, uint16_t *number)
{
    static const char forms[][4] = {"\x48\x89\xf8", "\x48\x8b\xc7", "\x48\x63\xc7", "\x89\xf8", "\x8b\xc7"};
    *number = TL_SITE_SYSCALL_ANY;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t length = strlen(forms[i]);
        if (size >= length && memcmp(b, forms[i], length) == 0)
            return (unsigned)length;
    }
    return 0;
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
    if (length < TL_JUMP_BYTES + 2) /* the syscall stays in place */
        return false;
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

/* Where the next syscall instruction may stand, from start on; size if there is none. */
static size_t next_syscall(const uint8_t *bytes, size_t start, size_t size)
{
    for (size_t at = start + 1; at < size; at++) {
        const uint8_t *second = memchr(bytes + at, 0x05, size - at);
        if (!second)
            break;
        at = (size_t)(second - bytes);
        if (bytes[at - 1] == 0x0f)
            return at - 1;
    }
    return size;
}

/* For what is searched: whether any bytes look like a run; all that do; all that are one. */
enum search { POSSIBLE, CANDIDATES, PROVEN };

/* A run ends with a syscall, and those are few: only the bytes right in front of one are looked at closely. */
static bool search_section(struct tli_module *m, const struct tli_region *region, const struct tli_section *section,
                           enum search search)
{
    const uint8_t *bytes = region->bytes + (section->start - region->start);
    size_t size = (size_t)(section->end - section->start), syscall = next_syscall(bytes, 0, size);
    for (size_t i = 0; i < size; i++) {
        if (syscall < i)
            syscall = next_syscall(bytes, i, size);
        if (syscall == size)
            break;
        if (syscall + 2 > i + TL_SITE_MAX_BYTES)
            i = syscall + 2 - TL_SITE_MAX_BYTES;
        struct tl_wire_site site = {.kind = TL_SITE_GUARD, .tactic = TL_TACTIC_JUMP, .address = section->start + i};
        unsigned mov = mov_at(bytes + i, size - i, &site.syscall_number);
        if (!mov && (search != PROVEN || tli_bit(region->starts, site.address - region->start)))
            mov = mov_argument_at(bytes + i, size - i, &site.syscall_number);
        if (!mov || (search == PROVEN && target_inside(region, site.address)) ||
            !take_run(&site, bytes + i, size - i, site.address, mov))
            continue;
        if (search == POSSIBLE)
            return true;
        TLI_PUSH(m, m->module->guards, m->module->guard_count, m->guard_capacity, site);
        i += search == PROVEN ? site.size - 1u : 0;
    }
    return false;
}

static bool search_all(struct tli_module *m, enum search search)
{
    for (size_t i = 0; i < m->section_count; i++)
        if (!m->sections[i].plt && search_section(m, tli_region_at(m, m->sections[i].start), &m->sections[i], search))
            return true;
    return false;
}

void tli_guards_find(struct tli_module *m)
{
    m->module->guard_count = 0;
    (void)search_all(m, PROVEN);
}

void tli_guards_candidates(struct tli_module *m)
{
    (void)search_all(m, CANDIDATES);
}

bool tli_guards_possible(struct tli_module *m)
{
    return search_all(m, POSSIBLE);
}
