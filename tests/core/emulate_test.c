/* SPDX-License-Identifier: MIT
 *
 * What the engine emulates is what the processor does: each form runs on both, from the same registers, flags and
 * stack, and everything is compared. Built at both widths (emulate32.sh), so without cmocka, which has one.
 */
#include <core/emulate.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tests/core/native.h>

#define STACK_BYTES 512u
#define WORD sizeof(uintptr_t)
#define MIDDLE 0x8000u  /* where instructions stand in the code */
#define LANDING 0x8a00u /* an int3 to land on */
#define FORM(...) ((const struct form){{__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

struct form {
    uint8_t bytes[TL_INSN_MAX_BYTES];
    size_t size;
};

static uint8_t stack[STACK_BYTES + 64] __attribute__((aligned(64)));
static unsigned long cases;
static int bad;
static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static void complain(const struct form *form, const char *what, uintptr_t native, uintptr_t emulated)
{
    printf("not ok:");
    for (size_t i = 0; i < form->size; i++)
        printf(" %02x", form->bytes[i]);
    printf(": %s is %#lx on the processor, %#lx emulated\n", what, (unsigned long)native, (unsigned long)emulated);
    bad = 1;
}

static void compare(const struct form *form, const struct tl_regs *native, const struct tl_regs *emulated)
{
    static const char *const name[16] = {"ax", "cx", "dx",  "bx",  "sp",  "bp",  "si",  "di",
                                         "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
    for (unsigned i = 0; i < TL_ARCH_GPRS; i++)
        if (native->gpr[i] != emulated->gpr[i])
            complain(form, name[i], native->gpr[i], emulated->gpr[i]);
    if (native->ip != emulated->ip)
        complain(form, "ip", native->ip, emulated->ip);
    if (native->flags != emulated->flags)
        complain(form, "flags", native->flags, emulated->flags);
}

/* Where the processor cannot go, nothing is proven: that would be a mistake of this test. */
static void check_landed(const struct form *form, const struct tl_regs *native)
{
    if (*(const uint8_t *)(uintptr_t)native->ip != 0xcc)
        complain(form, "the landing", native->ip, 0);
}

/* Runs form at code offset `at` on both and compares. The stack around sp is as the caller has filled it. */
static void both(const struct form *form, const struct tl_regs *start, unsigned at)
{
    static uint8_t before[sizeof(stack)], after[sizeof(stack)];
    struct tl_insn insn;
    struct tl_regs native = *start, emulated = *start, *where = &emulated;
    cases++;
    native.ip = emulated.ip = (uintptr_t)native_code + at;
    if (tl_insn_decode(&insn, form->bytes, form->size, TL_ARCH_MODE) != TL_OK || insn.length != form->size ||
        !tli_can_emulate(&insn)) {
        complain(form, "it is no form to be emulated; it", 0, 0);
        return;
    }
    memcpy(native_code + at, form->bytes, form->size);
    memcpy(before, stack, sizeof(stack));
    native_run(&native);
    memcpy(after, stack, sizeof(stack));
    memcpy(stack, before, sizeof(stack));
    tli_emulate(&where, &insn, form->bytes, emulated.ip);
    memset(native_code + at, 0xcc, form->size);
    check_landed(form, &native);
    compare(form, &native, where);
    for (size_t i = 0; i < sizeof(stack); i++)
        if (stack[i] != after[i])
            complain(form, "a byte of the stack", after[i], stack[i]);
    memcpy(stack, before, sizeof(stack));
}

/* A stack pointer with this alignment; above it words that lead to the landing, below it canaries. */
static uintptr_t fresh_stack(unsigned alignment)
{
    uintptr_t landing = (uintptr_t)native_code + LANDING;
    uint8_t *sp = stack + STACK_BYTES / 2 + alignment;
    for (uint8_t *at = stack; at < sp; at++)
        *at = (uint8_t)next_random();
    for (uint8_t *at = sp; at + WORD <= stack + sizeof(stack); at += WORD)
        memcpy(at, &landing, WORD);
    return (uintptr_t)sp;
}

static void fresh_data(void)
{
    uintptr_t landing = (uintptr_t)native_code + LANDING;
    for (unsigned i = 0; i + WORD <= NATIVE_DATA_BYTES; i += WORD)
        memcpy(native_data + i, &landing, WORD);
}

static struct tl_regs fresh_registers(void)
{
    struct tl_regs regs = {.flags = 0x202};
    fresh_data();
    for (unsigned i = 0; i < TL_ARCH_GPRS; i++)
        regs.gpr[i] = (uintptr_t)next_random();
    regs.gpr[TL_REG_SP] = fresh_stack((unsigned)next_random() & 15);
    return regs;
}

/* All registers lead to the landing (in_memory: to a word that does), at every alignment of the stack. */
static void every_alignment(const struct form *form, bool in_memory)
{
    uintptr_t landing = (uintptr_t)native_code + LANDING;
    fresh_data();
    for (unsigned alignment = 0; alignment < 64; alignment++) {
        struct tl_regs regs = {.flags = 0x202};
        for (unsigned i = 0; i < TL_ARCH_GPRS; i++)
            regs.gpr[i] = in_memory ? (uintptr_t)native_data + 0x400 + 8 * i : landing;
        regs.gpr[TL_REG_SP] = fresh_stack(alignment);
        both(form, &regs, MIDDLE + alignment);
    }
}

static struct form with_tail(struct form form, uint32_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        form.bytes[form.size++] = (uint8_t)(value >> 8 * i);
    return form;
}

static void nops_and_direct_branches(void)
{
    static const int32_t distances[] = {0, 1, 127, -128, -5, 0x100, -0x1000, 0x2345};
    const struct form nops[] = {FORM(0x90),
                                FORM(0x66, 0x90),
                                FORM(0x0f, 0x1f, 0x44, 0, 0),
                                FORM(0x0f, 0x1f, 0),
                                FORM(0xf3, 0x0f, 0x1e, 0xfa),
                                FORM(0xf3, 0x0f, 0x1e, 0xfb)};
    for (size_t i = 0; i < sizeof(nops) / sizeof(nops[0]); i++)
        every_alignment(&nops[i], false);
    for (size_t i = 0; i < sizeof(distances) / sizeof(distances[0]); i++) {
        int32_t distance = distances[i];
        struct form call = with_tail(FORM(0xe8), (uint32_t)distance, 4);
        struct form jmp = with_tail(FORM(0xe9), (uint32_t)distance, 4);
        struct form hinted = with_tail(FORM(0xf2, 0xe8), (uint32_t)distance, 4); /* bnd: one byte longer */
        if (distance == -5)                                                      /* would land on itself */
            continue;
        every_alignment(&call, false);
        every_alignment(&jmp, false);
        every_alignment(&hinted, false);
        if (distance >= -128 && distance <= 127) {
            struct form near = with_tail(FORM(0xeb), (uint32_t)distance, 1);
            every_alignment(&near, false);
        }
    }
}

/* 16 conditions, short and long, on all combinations of CF PF AF ZF SF DF OF. */
static void conditions(void)
{
    static const unsigned bit[] = {0, 2, 4, 6, 7, 10, 11};
    for (unsigned cc = 0; cc < 16; cc++)
        for (unsigned combination = 0; combination < 128; combination++) {
            struct form near = FORM((uint8_t)(0x70 | cc), 0x40);
            struct form far = FORM(0x0f, (uint8_t)(0x80 | cc), 0x00, 0x01, 0, 0);
            struct tl_regs regs = fresh_registers();
            for (unsigned i = 0; i < 7; i++)
                regs.flags |= (combination >> i & 1u) << bit[i];
            both(&near, &regs, MIDDLE + combination);
            both(&far, &regs, MIDDLE + combination);
        }
}

static void loops(void)
{
    static const uint64_t counts[] = {0,
                                      1,
                                      2,
                                      0xffff,
                                      0x10000,
                                      0x10001,
                                      0x10002,
                                      0xffffffff,
                                      0x100000000u,
                                      0x100000001u,
                                      0xffffffff00000002u,
                                      0x80000000u,
                                      0xffff0001u,
                                      0xffff0000u,
                                      ~(uint64_t)0};
    for (unsigned opcode = 0xe0; opcode <= 0xe3; opcode++)
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
            for (unsigned zero = 0; zero < 2; zero++) {
                struct form wide = FORM((uint8_t)opcode, 0x20), narrow = FORM(0x67, (uint8_t)opcode, 0x20);
                struct tl_regs regs = fresh_registers();
                regs.gpr[TL_REG_CX] = (uintptr_t)counts[i];
                regs.flags |= zero << 6;
                both(&wide, &regs, MIDDLE);
                both(&narrow, &regs, MIDDLE);
            }
}

/* FF /op through every register, and through memory in every form of ModRM. */
static void indirect(unsigned op)
{
    for (unsigned rex = 0x40; rex < (TL_ARCH_GPRS == 16 ? 0x50u : 0x41u); rex++)
        for (unsigned modrm = op << 3; modrm < 0x100; modrm += (modrm & 7) == 7 ? 0x40 - 7 : 1) {
            unsigned mod = modrm >> 6, rm = modrm & 7;
            if (mod == 0 && rm == 5)
                continue; /* below */
            struct form form = rex == 0x40 ? FORM(0xff, (uint8_t)modrm) : FORM((uint8_t)rex, 0xff, (uint8_t)modrm);
            if (mod != 3 && rm == 4) /* base sp, no index */
                form = with_tail(form, 0x24, 1);
            if (mod == 1 || mod == 2)
                form = with_tail(form, 3 * WORD, mod == 1 ? 1 : 4);
            if (mod == 3 && rm == 4 && !(rex & 1) && op != 6)
                continue; /* through sp itself: below */
            if (mod != 3 && rm == 4 && (rex & 2))
                continue; /* r12 as an index: below */
            every_alignment(&form, mod != 3);
        }
}

/* SIB: base and index of all kinds, every scale; the index small. */
static void indexed(unsigned op)
{
    uintptr_t landing = (uintptr_t)native_code + LANDING;
    for (unsigned rex = 0x40; rex < (TL_ARCH_GPRS == 16 ? 0x44u : 0x41u); rex++)
        for (unsigned sib = 0; sib < 0x100; sib++)
            for (unsigned mod = 0; mod < 3; mod++) {
                unsigned base = (sib & 7) | (rex & 1) << 3, index = (sib >> 3 & 7) | (rex & 2) << 2;
                bool bare = mod == 0 && (sib & 7) == 5;
                struct form form = rex == 0x40 ? FORM(0xff) : FORM((uint8_t)rex, 0xff);
                form = with_tail(form, mod << 6 | op << 3 | 4, 1);
                form = with_tail(form, sib, 1);
                if (bare)
                    form = with_tail(form, (uint32_t)(uintptr_t)native_data + 0x100, 4);
                else if (mod)
                    form = with_tail(form, 0x10, mod == 1 ? 1 : 4);
                struct tl_regs regs = fresh_registers();
                if (index != TL_REG_SP)
                    regs.gpr[index] = 8;
                if (!bare && base != TL_REG_SP && base != index)
                    regs.gpr[base] = (uintptr_t)native_data + 0x200;
                if (!bare && base == index && index != TL_REG_SP) /* base + base << scale: into the data */
                    regs.gpr[base] = ((uintptr_t)native_data + 0x200) / (1 + (1u << (sib >> 6)));
                if (base == index && !bare) { /* not aligned any more: lay the word where it will be read */
                    uintptr_t at = regs.gpr[base] + ((uintptr_t)regs.gpr[index] << (sib >> 6)) + (mod ? 0x10 : 0);
                    if (index == TL_REG_SP)
                        at = regs.gpr[base] + (mod ? 0x10 : 0);
                    memcpy((void *)at, &landing, WORD);
                }
                both(&form, &regs, MIDDLE);
            }
}

static void through_memory_without_base(unsigned op)
{
    uintptr_t landing = (uintptr_t)native_code + LANDING;
    memcpy(native_code + 0x100, &landing, WORD);
    bool relative = TL_ARCH_GPRS == 16;
    uint32_t disp = relative ? (uint32_t)(0x100 - (int)MIDDLE - 6) : (uint32_t)(uintptr_t)native_code + 0x100;
    struct form form = with_tail(FORM(0xff, (uint8_t)(5 | op << 3)), disp, 4);
    struct tl_regs regs = fresh_registers();
    both(&form, &regs, MIDDLE);
    if (relative) { /* with the address-size prefix the address is cut off, and the instruction one byte longer */
        form = with_tail(FORM(0x67, 0xff, (uint8_t)(5 | op << 3)), disp - 1, 4);
        both(&form, &regs, MIDDLE);
        form = FORM(0x67, 0xff, (uint8_t)(3 | op << 3));
        regs.gpr[TL_REG_BX] = (uintptr_t)0xabcdef0100000000u + (uintptr_t)native_data + 0x80;
        both(&form, &regs, MIDDLE);
    }
    memset(native_code + 0x100, 0xcc, WORD);
}

/* call *%sp and jmp *%sp: the target is where sp pointed before the push. */
static void through_the_stack_pointer(void)
{
    for (unsigned op = 2; op <= 4; op += 2) {
        struct form form = FORM(0xff, (uint8_t)(0xc4 | op << 3));
        struct tl_regs regs = fresh_registers();
        memset(stack, 0xcc, sizeof(stack));
        regs.gpr[TL_REG_SP] = (uintptr_t)native_data + 0x800;
        memset(native_data, 0xcc, NATIVE_DATA_BYTES);
        both(&form, &regs, MIDDLE);
    }
}

static void returns(void)
{
    const struct form forms[] = {FORM(0xc3),          FORM(0xf3, 0xc3),    FORM(0xc2, 0, 0),
                                 FORM(0xc2, 0x10, 0), FORM(0xc2, 0x34, 0), FORM(0xc2, 0x01, 0x80)};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        every_alignment(&forms[i], false);
}

static void pushes_and_pops(void)
{
    const struct form forms[] = {FORM(0x6a, 0x7f), FORM(0x6a, 0x80), FORM(0x68, 1, 2, 3, 0x84), FORM(0x68, 1, 2, 3, 4),
                                 FORM(0x9c)};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        every_alignment(&forms[i], false);
    for (unsigned opcode = 0x50; opcode < 0x60; opcode++)
        for (unsigned rex = 0x40; rex < (TL_ARCH_GPRS == 16 ? 0x42u : 0x41u); rex++) {
            struct form form = rex == 0x40 ? FORM((uint8_t)opcode) : FORM((uint8_t)rex, (uint8_t)opcode);
            every_alignment(&form, false);
        }
    for (unsigned flags = 0; flags < 0x1000; flags++) {
        struct tl_regs regs = fresh_registers();
        regs.flags |= flags & 0xcd5; /* not the trap flag */
        both(&FORM(0x9c), &regs, MIDDLE);
    }
    for (unsigned alignment = 0; alignment < 64; alignment++) {
        struct tl_regs regs = fresh_registers();
        regs.gpr[TL_REG_BP] = fresh_stack(alignment) + 24;
        both(&FORM(0xc9), &regs, MIDDLE);
    }
}

static void refuses(void)
{
    const struct form forms[] = {
        FORM(0xcc),                   /* int3 */
        FORM(0xcb),                   /* far return */
        FORM(0xca, 4, 0),             /* the same, imm16 */
        FORM(0xcf),                   /* iret */
        FORM(0xff, 0x18),             /* far call */
        FORM(0xff, 0x28),             /* far jmp */
        FORM(0xff, 0x00),             /* inc: of the same group */
        FORM(0x66, 0xe9, 0, 0, 0, 0), /* 16-bit operand: AMD and Intel differ */
        FORM(0x66, 0x50),             /* 16-bit push */
        FORM(0x64, 0xff, 0x10),       /* through FS */
        FORM(0x65, 0xff, 0x30),       /* through GS */
        FORM(0x9d),                   /* popf */
        FORM(0xfa),                   /* cli */
        FORM(0x0f, 0x05),             /* syscall */
        FORM(0x89, 0xc0),             /* mov: to be moved, not emulated */
        FORM(0x0f, 0x58, 0xc0),       /* addps: 58 in another map */
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tl_insn insn = {0};
        enum tl_status status = tl_insn_decode(&insn, forms[i].bytes, forms[i].size, TL_ARCH_MODE);
        if (status == TL_OK && tli_can_emulate(&insn))
            complain(&forms[i], "it says it can; it", 0, 1);
        cases++;
    }
}

int main(void)
{
    native_begin();
    nops_and_direct_branches();
    conditions();
    loops();
    for (unsigned op = 2; op <= 6; op += 2) {
        indirect(op);
        indexed(op);
        through_memory_without_base(op);
    }
    through_the_stack_pointer();
    returns();
    pushes_and_pops();
    refuses();
    printf("%lu cases at %d bits\n", cases, TL_ARCH_MODE);
    return bad;
}
