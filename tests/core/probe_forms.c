/* SPDX-License-Identifier: MIT
 *
 * See probe_forms.h. In the order: moved out of line, emulated, of one width only.
 */
#include <tests/core/probe_forms.h>

#define BYTES(...)                                                                                                     \
    {                                                                                                                  \
        {__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})                                                          \
    }
#define OPERANDS(...)                                                                                                  \
    {                                                                                                                  \
        BYTES(__VA_ARGS__), FORMS_OPERANDS, 0, 0                                                                       \
    }
#define TARGETS(...)                                                                                                   \
    {                                                                                                                  \
        BYTES(__VA_ARGS__), FORMS_TARGETS, 0, 0                                                                        \
    }
#define MEMORY(...)                                                                                                    \
    {                                                                                                                  \
        BYTES(__VA_ARGS__), FORMS_MEMORY, 0, 0                                                                         \
    }
#define DATA(offset, ...)                                                                                              \
    {                                                                                                                  \
        BYTES(__VA_ARGS__), FORMS_OPERANDS, offset, 0                                                                  \
    }
#define DATA_TARGET(offset, ...)                                                                                       \
    {                                                                                                                  \
        BYTES(__VA_ARGS__), FORMS_MEMORY, offset, 0                                                                    \
    }
#define SEQUENCE(starts, ...)                                                                                          \
    {                                                                                                                  \
        BYTES(__VA_ARGS__), FORMS_OPERANDS, 0, starts                                                                  \
    }

static const struct forms_entry all[] = {
    /* registers */
    OPERANDS(0x89, 0xc8),             /* mov %ecx,%eax */
    OPERANDS(0xb8, 1, 2, 3, 4),       /* mov $,%eax */
    OPERANDS(0x8d, 0x44, 0x8b, 0x10), /* lea 0x10(%bx,%cx,4),%eax */
    OPERANDS(0x01, 0xd0),             /* add */
    OPERANDS(0x19, 0xd0),             /* sbb */
    OPERANDS(0x83, 0xc0, 0xff),       /* add $-1,%eax */
    OPERANDS(0x0f, 0xaf, 0xc2),       /* imul */
    OPERANDS(0xf7, 0xe2),             /* mul */
    OPERANDS(0xf7, 0xd8),             /* neg */
    OPERANDS(0xd3, 0xe0),             /* shl %cl */
    OPERANDS(0xc1, 0xc8, 0x07),       /* ror $7 */
    OPERANDS(0x0f, 0xa4, 0xd0, 0x03), /* shld */
    OPERANDS(0x0f, 0x94, 0xc0),       /* sete */
    OPERANDS(0x0f, 0x44, 0xc2),       /* cmove */
    OPERANDS(0x0f, 0xbe, 0xc0),       /* movsbl */
    OPERANDS(0x0f, 0xc8),             /* bswap */
    OPERANDS(0x0f, 0xa3, 0xc8),       /* bt */
    OPERANDS(0x0f, 0xbc, 0xd3),       /* bsf */
    OPERANDS(0x98),
    OPERANDS(0x99), /* cwtl, cltd */
    OPERANDS(0x9e),
    OPERANDS(0x9f), /* sahf, lahf */
    OPERANDS(0xf5),
    OPERANDS(0xf8), /* cmc, clc */
    OPERANDS(0xf9),
    OPERANDS(0xfc),             /* stc, cld */
    OPERANDS(0xfd),             /* std */
    OPERANDS(0x66, 0x89, 0xc8), /* mov %cx,%ax */
    OPERANDS(0x87, 0xc2),       /* xchg */
    /* memory */
    OPERANDS(0x8b, 0x03),
    OPERANDS(0x89, 0x03),
    OPERANDS(0xc7, 0x03, 1, 2, 3, 4),
    OPERANDS(0x83, 0x03, 0x05),                         /* addl $5,(%bx) */
    OPERANDS(0xf0, 0xff, 0x03),                         /* lock incl */
    OPERANDS(0xf0, 0x0f, 0xc1, 0x03),                   /* lock xadd */
    OPERANDS(0x0f, 0xb1, 0x13),                         /* cmpxchg */
    OPERANDS(0x0f, 0xc7, 0x0b),                         /* cmpxchg8b */
    OPERANDS(0x87, 0x03),                               /* xchg */
    OPERANDS(0xd7),                                     /* xlat */
    OPERANDS(0x0f, 0x10, 0x03, 0x0f, 0x11, 0x06),       /* movups, and where it can be seen */
    OPERANDS(0x66, 0x0f, 0xef, 0xc0, 0x0f, 0x11, 0x06), /* pxor */
    DATA(2, 0x8b, 0x05, 0, 0, 0, 0),                    /* mov data,%eax: relative to ip on x86-64 */
    DATA(2, 0x89, 0x05, 0, 0, 0, 0),
    DATA(2, 0x8d, 0x05, 0, 0, 0, 0),
    DATA(2, 0x83, 0x3d, 0, 0, 0, 0, 7), /* cmpl $7,data */
    DATA(2, 0xc7, 0x05, 0, 0, 0, 0, 1, 2, 3, 4),
    DATA(3, 0x0f, 0x10, 0x05, 0, 0, 0, 0, 0x0f, 0x11, 0x06), /* movups */
    DATA(4, 0xf0, 0x0f, 0xb1, 0x15, 0, 0, 0, 0),
    /* strings */
    OPERANDS(0xa4),
    OPERANDS(0xa5),
    OPERANDS(0xaa),
    OPERANDS(0xab),
    OPERANDS(0xac),
    OPERANDS(0xae),
    OPERANDS(0xa6),
    OPERANDS(0xf3, 0xa4),
    OPERANDS(0xf3, 0xa5),
    OPERANDS(0xf3, 0xab),
    OPERANDS(0xf3, 0xa6),
    OPERANDS(0xf2, 0xae),
    OPERANDS(0x66, 0xa5),
    OPERANDS(0xf3, 0x66, 0xab),
    /* the stack, moved */
    OPERANDS(0x8f, 0x03),       /* pop (%bx) */
    OPERANDS(0x8f, 0x04, 0x24), /* pop (%sp) */
    OPERANDS(0xc8, 0x10, 0, 0), /* enter */
    OPERANDS(0x9d),             /* popf: what the stack holds is the landing's address */
    OPERANDS(0x66, 0x50),
    OPERANDS(0x66, 0x58),
    OPERANDS(0x66, 0x9c),
    OPERANDS(0x66, 0xff, 0x33),
    OPERANDS(0x83, 0xec, 0x10), /* sub $16,%esp */
    OPERANDS(0x89, 0xf4),       /* mov %esi,%esp */
    OPERANDS(0x0f, 0xa0),       /* push %fs */
    /* emulated: nops, branches */
    OPERANDS(0x90),
    OPERANDS(0x66, 0x90),
    OPERANDS(0x0f, 0x1f, 0),
    OPERANDS(0x0f, 0x1f, 0x44, 0, 0),
    OPERANDS(0xf3, 0x0f, 0x1e, 0xfa),
    OPERANDS(0xf3, 0x0f, 0x1e, 0xfb),
    TARGETS(0xe8, 0x20, 0, 0, 0),
    TARGETS(0xf2, 0xe8, 0x20, 0, 0, 0),
    TARGETS(0xe9, 0x20, 0, 0, 0),
    TARGETS(0xeb, 0x20),
    TARGETS(0xff, 0xd0),
    TARGETS(0xff, 0xd3),
    TARGETS(0xff, 0xd7),
    TARGETS(0xff, 0xe0),
    TARGETS(0xff, 0xe6),
    MEMORY(0xff, 0x13),
    MEMORY(0xff, 0x53, 0x10),
    MEMORY(0xff, 0x23),
    MEMORY(0xff, 0xa3, 0x20, 0, 0, 0),
    TARGETS(0xff, 0x14, 0x24),
    TARGETS(0xff, 0x64, 0x24, 0x10), /* through what the stack holds */
    DATA_TARGET(2, 0xff, 0x15, 0, 0, 0, 0),
    DATA_TARGET(2, 0xff, 0x25, 0, 0, 0, 0),
    DATA_TARGET(2, 0xff, 0x35, 0, 0, 0, 0), /* push data */
    TARGETS(0xc3),
    TARGETS(0xf3, 0xc3),
    TARGETS(0xc2, 0, 0),
    TARGETS(0xc2, 0x10, 0),
    TARGETS(0xc2, 0x01, 0x80),
    /* pushes and pops */
    OPERANDS(0x50),
    OPERANDS(0x51),
    OPERANDS(0x53),
    OPERANDS(0x54),
    OPERANDS(0x55),
    OPERANDS(0x57),
    OPERANDS(0x58),
    OPERANDS(0x5b),
    OPERANDS(0x5c),
    OPERANDS(0x5d),
    OPERANDS(0x6a, 0x80),
    OPERANDS(0x68, 1, 2, 3, 0x84),
    OPERANDS(0x9c),
    OPERANDS(0xff, 0x33),
    OPERANDS(0xff, 0xf4),
    OPERANDS(0xc9), /* leave */
#ifdef __x86_64__
    OPERANDS(0x48, 0x89, 0xc8),
    OPERANDS(0x49, 0x01, 0xc0),
    OPERANDS(0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8),
    OPERANDS(0x48, 0x63, 0xc2),
    OPERANDS(0x48, 0x99),
    OPERANDS(0x48, 0xf7, 0xe2),
    OPERANDS(0x48, 0x8b, 0x03),
    OPERANDS(0xf3, 0x48, 0xa5),
    OPERANDS(0x48, 0x89, 0xf4),
    OPERANDS(0x48, 0x83, 0xec, 0x10),
    OPERANDS(0x48, 0x0f, 0xc7, 0x0b),
    DATA(3, 0x48, 0x8b, 0x05, 0, 0, 0, 0),
    DATA(3, 0x4c, 0x89, 0x3d, 0, 0, 0, 0),
    DATA(3, 0x48, 0x8d, 0x05, 0, 0, 0, 0),
    DATA(3, 0x67, 0x8b, 0x05, 0, 0, 0, 0), /* relative to eip */
    DATA(4, 0x48, 0x0f, 0xb1, 0x15, 0, 0, 0, 0),
    DATA(3, 0x48, 0xc7, 0x05, 0, 0, 0, 0, 1, 2, 3, 4),
    OPERANDS(0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0), /* mov %fs:0x28,%rax */
    OPERANDS(0x41, 0x54),
    OPERANDS(0x41, 0x5c),
    OPERANDS(0x41, 0x5f),
    TARGETS(0x41, 0xff, 0xd4),
    TARGETS(0x41, 0xff, 0xe7),
    MEMORY(0x41, 0xff, 0x14, 0x24),
#else
    OPERANDS(0x40), OPERANDS(0x4b), OPERANDS(0x60), OPERANDS(0x61), /* inc, dec, pusha, popa */
    OPERANDS(0x27), OPERANDS(0x37), OPERANDS(0x3f), OPERANDS(0xd4, 0x0a), OPERANDS(0xd5, 0x0a), OPERANDS(0x06),
    OPERANDS(0x1e), OPERANDS(0x0e),      /* push %es, %ds, %cs */
    OPERANDS(0x65, 0xa1, 0x14, 0, 0, 0), /* mov %gs:0x14,%eax */
#endif
};

static const struct forms_entry faulting[] = {
    OPERANDS(0x8b, 0x03),
    OPERANDS(0x89, 0x03),
    OPERANDS(0xf0, 0xff, 0x03),
    OPERANDS(0x0f, 0x11, 0x03),
    OPERANDS(0xaa),
    OPERANDS(0xc7, 0x03, 1, 2, 3, 4),
    OPERANDS(0x8f, 0x03),
    MEMORY(0xf3, 0xa4),
    MEMORY(0xf3, 0xaa),   /* in the middle */
    OPERANDS(0xf7, 0xf1), /* div %ecx */
    OPERANDS(0xf4),
    OPERANDS(0xfa),
    OPERANDS(0xfb),                   /* hlt, cli, sti */
    OPERANDS(0x0f, 0x20, 0xc0),       /* mov %cr0,%eax */
    OPERANDS(0x89, 0xc8, 0x8b, 0x03), /* the second of two, under a jump */
    OPERANDS(0x90, 0xf4),
    OPERANDS(0x89, 0xc8, 0x89, 0xca, 0xf4),
};

static const struct forms_entry sequences[] = {
    SEQUENCE(0x03, 0x90, 0xb8, 1, 2, 3, 4),
    SEQUENCE(0x05, 0x89, 0xc8, 0xba, 1, 2, 3, 4),
    SEQUENCE(0x09, 0x8d, 0x43, 0x01, 0xba, 1, 2, 3, 4),
    SEQUENCE(0x11, 0x0f, 0xb6, 0x43, 0x01, 0xba, 1, 2, 3, 4),
    SEQUENCE(0x15, 0x89, 0xc8, 0x89, 0xca, 0xba, 1, 2, 3, 4),
    SEQUENCE(0x07, 0x90, 0xf8, 0xba, 1, 2, 3, 4),
    SEQUENCE(0x13, 0x90, 0x8d, 0x43, 0x01, 0xba, 1, 2, 3, 4),
    SEQUENCE(0x0b, 0xf9, 0x89, 0xc8, 0xba, 1, 2, 3, 4),
    SEQUENCE(0x05, 0x89, 0xc8, 0x0f, 0x84, 0x20, 0, 0, 0),
    SEQUENCE(0x05, 0x89, 0xc8, 0xe9, 0x20, 0, 0, 0),
    SEQUENCE(0x03, 0x50, 0xe8, 0x20, 0, 0, 0),
    SEQUENCE(0x03, 0x51, 0x8b, 0x44, 0x24, 0x08),
};

static const struct native_form refused[] = {
    BYTES(0xcd, 0x80), BYTES(0xcd, 0x03), BYTES(0xcf),
    BYTES(0xcb),       BYTES(0xca, 4, 0), BYTES(0xff, 0x1b),
    BYTES(0xff, 0x2b), BYTES(0x8e, 0xd0), BYTES(0x0f, 0x05),
    BYTES(0x0f, 0x34), BYTES(0xcc),       BYTES(0xc7, 0xf8, 0, 0, 0, 0),
#ifndef __x86_64__
    BYTES(0x17),       BYTES(0xce),       BYTES(0x9a, 0, 0, 0, 0, 0, 0),
#endif
};

const struct forms_entry *forms_all(size_t *count)
{
    *count = sizeof(all) / sizeof(all[0]);
    return all;
}

unsigned forms_first(const struct native_form *form)
{
    struct tl_insn insn;
    return tl_insn_decode(&insn, form->bytes, form->size, TL_ARCH_MODE) == TL_OK ? insn.length : 0;
}

struct native_form forms_fix(const struct forms_entry *entry, uintptr_t address)
{
    struct native_form form = entry->form;
    uint32_t data = (uint32_t)(uintptr_t)native_data + 0x300;
    if (sizeof(uintptr_t) == 8)
        data -= (uint32_t)(address + forms_first(&form));
    for (unsigned i = 0; entry->data && i < 4; i++)
        form.bytes[entry->data + i] = (uint8_t)(data >> 8 * i);
    return form;
}

const struct forms_entry *forms_faulting(size_t *count)
{
    *count = sizeof(faulting) / sizeof(faulting[0]);
    return faulting;
}

const struct forms_entry *forms_sequences(size_t *count)
{
    *count = sizeof(sequences) / sizeof(sequences[0]);
    return sequences;
}

const struct native_form *forms_refused(size_t *count)
{
    *count = sizeof(refused) / sizeof(refused[0]);
    return refused;
}
