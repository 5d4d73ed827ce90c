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
#include <tests/core/native_case.h>

#define MIDDLE 0x8000u /* where instructions stand in the code */

/* Runs form at code offset `at` on both and compares. The stack around sp is as the caller has filled it. */
static void both(const struct native_form *form, const struct tl_regs *start, unsigned at)
{
    static uint8_t before[NATIVE_STACK_BYTES], after[NATIVE_STACK_BYTES];
    struct tl_insn insn;
    struct tl_regs native = *start, emulated = *start, *where = &emulated;
    native_cases++;
    native.ip = emulated.ip = (uintptr_t)native_code + at;
    if (tl_insn_decode(&insn, form->bytes, form->size, TL_ARCH_MODE) != TL_OK || insn.length != form->size ||
        !tli_can_emulate(&insn)) {
        native_complain(form, "it is no form to be emulated; it", 0, 0);
        return;
    }
    memcpy(native_code + at, form->bytes, form->size);
    memcpy(before, native_stack, NATIVE_STACK_BYTES);
    native_run(&native);
    memcpy(after, native_stack, NATIVE_STACK_BYTES);
    memcpy(native_stack, before, NATIVE_STACK_BYTES);
    tli_emulate(&where, &insn, form->bytes, emulated.ip);
    memset(native_code + at, 0xcc, form->size);
    native_check_landed(form, &native);
    native_compare(form, &native, where);
    for (size_t i = 0; i < NATIVE_STACK_BYTES; i++)
        if (native_stack[i] != after[i])
            native_complain(form, "a byte of the stack", after[i], native_stack[i]);
    memcpy(native_stack, before, NATIVE_STACK_BYTES);
}

/* All registers lead to the landing (in_memory: to a word that does), at every alignment of the stack. */
static void every_alignment(const struct native_form *form, bool in_memory)
{
    uintptr_t landing = (uintptr_t)native_code + NATIVE_LANDING;
    native_fresh_data();
    for (unsigned alignment = 0; alignment < 64; alignment++) {
        struct tl_regs regs = {.flags = 0x202};
        for (unsigned i = 0; i < TL_ARCH_GPRS; i++)
            regs.gpr[i] = in_memory ? (uintptr_t)native_data + 0x400 + 8 * i : landing;
        regs.gpr[TL_REG_SP] = native_fresh_stack(alignment);
        both(form, &regs, MIDDLE + alignment);
    }
}

static void nops_and_direct_branches(void)
{
    static const int32_t distances[] = {0, 1, 127, -128, -5, 0x100, -0x1000, 0x2345};
    const struct native_form nops[] = {NATIVE_FORM(0x90),
                                       NATIVE_FORM(0x66, 0x90),
                                       NATIVE_FORM(0x0f, 0x1f, 0x44, 0, 0),
                                       NATIVE_FORM(0x0f, 0x1f, 0),
                                       NATIVE_FORM(0xf3, 0x0f, 0x1e, 0xfa),
                                       NATIVE_FORM(0xf3, 0x0f, 0x1e, 0xfb)};
    for (size_t i = 0; i < sizeof(nops) / sizeof(nops[0]); i++)
        every_alignment(&nops[i], false);
    for (size_t i = 0; i < sizeof(distances) / sizeof(distances[0]); i++) {
        int32_t distance = distances[i];
        struct native_form call = native_with_tail(NATIVE_FORM(0xe8), (uint32_t)distance, 4);
        struct native_form jmp = native_with_tail(NATIVE_FORM(0xe9), (uint32_t)distance, 4);
        struct native_form hinted =
            native_with_tail(NATIVE_FORM(0xf2, 0xe8), (uint32_t)distance, 4); /* bnd: one byte longer */
        if (distance == -5)                                                   /* would land on itself */
            continue;
        every_alignment(&call, false);
        every_alignment(&jmp, false);
        every_alignment(&hinted, false);
        if (distance >= -128 && distance <= 127) {
            struct native_form near = native_with_tail(NATIVE_FORM(0xeb), (uint32_t)distance, 1);
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
            struct native_form near = NATIVE_FORM((uint8_t)(0x70 | cc), 0x40);
            struct native_form far = NATIVE_FORM(0x0f, (uint8_t)(0x80 | cc), 0x00, 0x01, 0, 0);
            struct tl_regs regs = native_fresh_registers();
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
                struct native_form wide = NATIVE_FORM((uint8_t)opcode, 0x20),
                                   narrow = NATIVE_FORM(0x67, (uint8_t)opcode, 0x20);
                struct tl_regs regs = native_fresh_registers();
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
            struct native_form form =
                rex == 0x40 ? NATIVE_FORM(0xff, (uint8_t)modrm) : NATIVE_FORM((uint8_t)rex, 0xff, (uint8_t)modrm);
            if (mod != 3 && rm == 4) /* base sp, no index */
                form = native_with_tail(form, 0x24, 1);
            if (mod == 1 || mod == 2)
                form = native_with_tail(form, 3 * WORD, mod == 1 ? 1 : 4);
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
    uintptr_t landing = (uintptr_t)native_code + NATIVE_LANDING;
    for (unsigned rex = 0x40; rex < (TL_ARCH_GPRS == 16 ? 0x44u : 0x41u); rex++)
        for (unsigned sib = 0; sib < 0x100; sib++)
            for (unsigned mod = 0; mod < 3; mod++) {
                unsigned base = (sib & 7) | (rex & 1) << 3, index = (sib >> 3 & 7) | (rex & 2) << 2;
                bool bare = mod == 0 && (sib & 7) == 5;
                struct native_form form = rex == 0x40 ? NATIVE_FORM(0xff) : NATIVE_FORM((uint8_t)rex, 0xff);
                form = native_with_tail(form, mod << 6 | op << 3 | 4, 1);
                form = native_with_tail(form, sib, 1);
                if (bare)
                    form = native_with_tail(form, (uint32_t)(uintptr_t)native_data + 0x100, 4);
                else if (mod)
                    form = native_with_tail(form, 0x10, mod == 1 ? 1 : 4);
                struct tl_regs regs = native_fresh_registers();
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
    uintptr_t landing = (uintptr_t)native_code + NATIVE_LANDING;
    memcpy(native_code + 0x100, &landing, WORD);
    bool relative = TL_ARCH_GPRS == 16;
    uint32_t disp = relative ? (uint32_t)(0x100 - (int)MIDDLE - 6) : (uint32_t)(uintptr_t)native_code + 0x100;
    struct native_form form = native_with_tail(NATIVE_FORM(0xff, (uint8_t)(5 | op << 3)), disp, 4);
    struct tl_regs regs = native_fresh_registers();
    both(&form, &regs, MIDDLE);
    if (relative) { /* with the address-size prefix the address is cut off, and the instruction one byte longer */
        form = native_with_tail(NATIVE_FORM(0x67, 0xff, (uint8_t)(5 | op << 3)), disp - 1, 4);
        both(&form, &regs, MIDDLE);
        form = NATIVE_FORM(0x67, 0xff, (uint8_t)(3 | op << 3));
        regs.gpr[TL_REG_BX] = (uintptr_t)0xabcdef0100000000u + (uintptr_t)native_data + 0x80;
        both(&form, &regs, MIDDLE);
    }
    memset(native_code + 0x100, 0xcc, WORD);
}

/* call *%sp and jmp *%sp: the target is where sp pointed before the push. */
static void through_the_stack_pointer(void)
{
    for (unsigned op = 2; op <= 4; op += 2) {
        struct native_form form = NATIVE_FORM(0xff, (uint8_t)(0xc4 | op << 3));
        struct tl_regs regs = native_fresh_registers();
        memset(native_stack, 0xcc, NATIVE_STACK_BYTES);
        regs.gpr[TL_REG_SP] = (uintptr_t)native_data + 0x800;
        memset(native_data, 0xcc, NATIVE_DATA_BYTES);
        both(&form, &regs, MIDDLE);
    }
}

static void returns(void)
{
    const struct native_form forms[] = {NATIVE_FORM(0xc3),          NATIVE_FORM(0xf3, 0xc3),
                                        NATIVE_FORM(0xc2, 0, 0),    NATIVE_FORM(0xc2, 0x10, 0),
                                        NATIVE_FORM(0xc2, 0x34, 0), NATIVE_FORM(0xc2, 0x01, 0x80)};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        every_alignment(&forms[i], false);
}

static void pushes_and_pops(void)
{
    const struct native_form forms[] = {NATIVE_FORM(0x6a, 0x7f), NATIVE_FORM(0x6a, 0x80),
                                        NATIVE_FORM(0x68, 1, 2, 3, 0x84), NATIVE_FORM(0x68, 1, 2, 3, 4),
                                        NATIVE_FORM(0x9c)};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        every_alignment(&forms[i], false);
    for (unsigned opcode = 0x50; opcode < 0x60; opcode++)
        for (unsigned rex = 0x40; rex < (TL_ARCH_GPRS == 16 ? 0x42u : 0x41u); rex++) {
            struct native_form form =
                rex == 0x40 ? NATIVE_FORM((uint8_t)opcode) : NATIVE_FORM((uint8_t)rex, (uint8_t)opcode);
            every_alignment(&form, false);
        }
    for (unsigned flags = 0; flags < 0x1000; flags++) {
        struct tl_regs regs = native_fresh_registers();
        regs.flags |= flags & 0xcd5; /* not the trap flag */
        both(&NATIVE_FORM(0x9c), &regs, MIDDLE);
    }
    for (unsigned alignment = 0; alignment < 64; alignment++) {
        struct tl_regs regs = native_fresh_registers();
        regs.gpr[TL_REG_BP] = native_fresh_stack(alignment) + 24;
        both(&NATIVE_FORM(0xc9), &regs, MIDDLE);
    }
}

static void refuses(void)
{
    const struct native_form forms[] = {
        NATIVE_FORM(0xcc),                   /* int3 */
        NATIVE_FORM(0xcb),                   /* far return */
        NATIVE_FORM(0xca, 4, 0),             /* the same, imm16 */
        NATIVE_FORM(0xcf),                   /* iret */
        NATIVE_FORM(0xff, 0x18),             /* far call */
        NATIVE_FORM(0xff, 0x28),             /* far jmp */
        NATIVE_FORM(0xff, 0x00),             /* inc: of the same group */
        NATIVE_FORM(0x66, 0xe9, 0, 0, 0, 0), /* 16-bit operand: AMD and Intel differ */
        NATIVE_FORM(0x66, 0x50),             /* 16-bit push */
        NATIVE_FORM(0x64, 0xff, 0x10),       /* through FS */
        NATIVE_FORM(0x65, 0xff, 0x30),       /* through GS */
        NATIVE_FORM(0x9d),                   /* popf */
        NATIVE_FORM(0xfa),                   /* cli */
        NATIVE_FORM(0x0f, 0x05),             /* syscall */
        NATIVE_FORM(0x89, 0xc0),             /* mov: to be moved, not emulated */
        NATIVE_FORM(0x0f, 0x58, 0xc0),       /* addps: 58 in another map */
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tl_insn insn = {0};
        enum tl_status status = tl_insn_decode(&insn, forms[i].bytes, forms[i].size, TL_ARCH_MODE);
        if (status == TL_OK && tli_can_emulate(&insn))
            native_complain(&forms[i], "it says it can; it", 0, 1);
        native_cases++;
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
    printf("%lu cases at %d bits\n", native_cases, TL_ARCH_MODE);
    return native_bad;
}
