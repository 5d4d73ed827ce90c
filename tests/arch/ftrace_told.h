/* SPDX-License-Identifier: MIT
 *
 * What the ftrace tests share: functions to trace, callbacks that note what they are told, and a way to complain.
 */
#ifndef TL_TESTS_ARCH_FTRACE_TOLD_H
#define TL_TESTS_ARCH_FTRACE_TOLD_H

#include "port.h"
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>

#ifdef __clang__
#define TRACED __attribute__((noinline, patchable_function_entry(5, 0)))
#else
#define TRACED __attribute__((noipa, patchable_function_entry(5, 0)))
#endif
#define OPAQUE __asm__ volatile("" : : : "memory") /* a call is a call, and comes back */

extern int bad; /* what main() returns */
#define EXPECT(claim)                                                                                                  \
    do {                                                                                                               \
        if (!(claim)) {                                                                                                \
            printf("not ok: %s:%d: %s\n", __func__, __LINE__, #claim);                                                 \
            bad = 1;                                                                                                   \
        }                                                                                                              \
    } while (0)

TRACED int add(int a, int b);
TRACED int sub(int a, int b);
TRACED int mul(int a, int b);
TRACED int outer(int n); /* calls add and sub */
TRACED int down(int n);  /* calls itself n times */
TRACED void jumps_out(void);
extern jmp_buf jump;

/* The compiler's table of them. */
extern const uintptr_t __start___patchable_function_entries[], __stop___patchable_function_entries[];

/* The functions by name, those of ftrace_code.S included. The first seven are traced in every test. */
struct code {
    const char *name;
    uintptr_t address;
};
extern const struct code codes[];
const char *name_of(uintptr_t site);
uintptr_t site(int (*function)(int, int));

/* What an ops made by OPS() was told. */
struct told {
    unsigned calls, returns;
    uintptr_t site, parent, ip, value;
};
#define OPS(name, on, back, how)                                                                                       \
    static struct told name##_told;                                                                                    \
    static struct tl_ftrace_ops name = {.entered = on, .returned = back, .flags = how, .data = &name##_told}
void on_entry(uintptr_t at, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs);
void on_return(const struct tl_ftrace_call *call, uintptr_t *value);
void choose(struct tl_ftrace_ops *ops, const char *globs);

/* The returns since returns_told was last set to 0. */
extern unsigned returns_told;
extern struct tl_ftrace_call returned[16];

struct tl_ftrace_counts counts_now(void);

#endif
