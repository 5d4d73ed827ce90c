/* SPDX-License-Identifier: MIT
 *
 * What the tests share that compare the engine with the processor: instructions as bytes, a stack, data and registers
 * to run them from, and complaints. Both widths, so without cmocka, which has one.
 */
#ifndef TL_TESTS_CORE_NATIVE_CASE_H
#define TL_TESTS_CORE_NATIVE_CASE_H

#include <tests/core/native.h>

#define NATIVE_STACK_BYTES 576u   /* that are compared; stack pointers begin in the middle */
#define NATIVE_ROOM_BYTES 0x8000u /* below: for whoever runs there meanwhile */
#define NATIVE_LANDING 0xf000u    /* an int3 of the code to land on */
#define WORD sizeof(uintptr_t)
#define NATIVE_FORM(...) ((const struct native_form){{__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

struct native_form {
    uint8_t bytes[32];
    size_t size;
};

/* The form with value behind it, of size bytes, low one first. */
struct native_form native_with_tail(struct native_form form, uint32_t value, unsigned size);

extern uint8_t native_room[NATIVE_ROOM_BYTES + NATIVE_STACK_BYTES];
#define native_stack (native_room + NATIVE_ROOM_BYTES)
extern unsigned long native_cases; /* counted by the tests */
extern int native_bad;             /* something was complained of */

uint64_t native_random(void);

/* A stack pointer with this alignment; above it words that lead to the landing, below it canaries. */
uintptr_t native_fresh_stack(unsigned alignment);
/* Words that lead to the landing. */
void native_fresh_data(void);
/* Both, and random values in the registers. */
struct tl_regs native_fresh_registers(void);

void native_complain(const struct native_form *form, const char *what, uintptr_t native, uintptr_t emulated);
void native_compare(const struct native_form *form, const struct tl_regs *native, const struct tl_regs *emulated);
/* Where the processor cannot go, nothing is proven: that would be a mistake of the test. */
void native_check_landed(const struct native_form *form, const struct tl_regs *native);

#endif
