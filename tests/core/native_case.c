/* SPDX-License-Identifier: MIT
 *
 * Cases to compare: see native_case.h. For the tests of this folder that run instructions on the processor.
 */
#include <stdio.h>
#include <string.h>
#include <tests/core/native_case.h>

uint8_t native_room[NATIVE_ROOM_BYTES + NATIVE_STACK_BYTES] __attribute__((aligned(64)));
unsigned long native_cases;
int native_bad;
static uint64_t seed = 88172645463325252u;

uint64_t native_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

void native_complain(const struct native_form *form, const char *what, uintptr_t native, uintptr_t emulated)
{
    printf("not ok:");
    for (size_t i = 0; i < form->size; i++)
        printf(" %02x", form->bytes[i]);
    printf(": %s is %#lx on the processor, %#lx emulated\n", what, (unsigned long)native, (unsigned long)emulated);
    native_bad = 1;
}

void native_compare(const struct native_form *form, const struct tl_regs *native, const struct tl_regs *emulated)
{
    static const char *const name[16] = {"ax", "cx", "dx",  "bx",  "sp",  "bp",  "si",  "di",
                                         "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
    for (unsigned i = 0; i < TL_ARCH_GPRS; i++)
        if (native->gpr[i] != emulated->gpr[i])
            native_complain(form, name[i], native->gpr[i], emulated->gpr[i]);
    if (native->ip != emulated->ip)
        native_complain(form, "ip", native->ip, emulated->ip);
    if (native->flags != emulated->flags)
        native_complain(form, "flags", native->flags, emulated->flags);
}

/* Where the processor cannot go, nothing is proven: that would be a mistake of this test. */
void native_check_landed(const struct native_form *form, const struct tl_regs *native)
{
    if (*(const uint8_t *)(uintptr_t)native->ip != 0xcc)
        native_complain(form, "the landing", native->ip, 0);
}

/* A stack pointer with this alignment; above it words that lead to the landing, below it canaries. */
uintptr_t native_fresh_stack(unsigned alignment)
{
    uintptr_t landing = (uintptr_t)native_code + NATIVE_LANDING;
    uint8_t *sp = native_stack + NATIVE_STACK_BYTES / 2 - 32 + alignment;
    for (uint8_t *at = native_stack; at < sp; at++)
        *at = (uint8_t)native_random();
    for (uint8_t *at = sp; at + WORD <= native_stack + NATIVE_STACK_BYTES; at += WORD)
        memcpy(at, &landing, WORD);
    return (uintptr_t)sp;
}

void native_fresh_data(void)
{
    uintptr_t landing = (uintptr_t)native_code + NATIVE_LANDING;
    for (unsigned i = 0; i + WORD <= NATIVE_DATA_BYTES; i += WORD)
        memcpy(native_data + i, &landing, WORD);
}

struct tl_regs native_fresh_registers(void)
{
    struct tl_regs regs = {.flags = 0x202};
    native_fresh_data();
    for (unsigned i = 0; i < TL_ARCH_GPRS; i++)
        regs.gpr[i] = (uintptr_t)native_random();
    regs.gpr[TL_REG_SP] = native_fresh_stack((unsigned)native_random() & 15);
    return regs;
}

struct native_form native_with_tail(struct native_form form, uint32_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        form.bytes[form.size++] = (uint8_t)(value >> 8 * i);
    return form;
}
