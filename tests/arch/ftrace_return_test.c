/* SPDX-License-Identifier: MIT
 *
 * ftrace's trampolines: registers kept, seen and changed, functions replaced, returns hooked. Built at both widths
 * (ftrace32.sh), so without cmocka, which has one.
 */
#include "ftrace_told.h"
#include <core/exit.h>
#include <core/ftrace.h>
#include <regs.h>
#include <stdlib.h>
#include <string.h>
#include <trapline/port.h>

static void open_table(void)
{
    static uintptr_t own[3];
    own[0] = (uintptr_t)code_nop;
    own[1] = (uintptr_t)code_tail;
    own[2] = (uintptr_t)code_tail_target;
    struct tl_ftrace_table tables[] = {{__start___patchable_function_entries, __stop___patchable_function_entries},
                                       {own, own + 3}};
    EXPECT(tl_ftrace_open(tables, 2, name_of) == TL_OK);
}

/* ---- registers ---- */

static void doubles_its_argument(uintptr_t at, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    on_entry(at, parent, ops, regs);
#ifdef __x86_64__
    regs->gpr[TL_REG_DI] *= 2;
#else
    ((uint32_t *)(uintptr_t)regs->gpr[TL_REG_SP])[1] *= 2;
#endif
    EXPECT(*(uintptr_t *)(uintptr_t)regs->gpr[TL_REG_SP] == parent);
    if (!(ops->flags & TL_FTRACE_IP))
        regs->ip = 0; /* is not heeded */
}

static void registers_can_be_seen_and_changed(void)
{
    OPS(ops, doubles_its_argument, 0, TL_FTRACE_REGS);
    choose(&ops, "add");
    EXPECT(tl_ftrace_register(&ops) == TL_OK);
    EXPECT(add(20, 2) == 42 && ops_told.ip == site(add) + 5);
    EXPECT(tl_ftrace_unregister(&ops) == TL_OK && add(20, 2) == 22);
}

static int instead(int a, int b)
{
    return 1000 + a + b;
}

static void goes_to_another(uintptr_t at, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    on_entry(at, parent, ops, regs);
    regs->ip = (uintptr_t)instead;
}

static void a_function_can_be_replaced(void)
{
    OPS(ops, goes_to_another, 0, TL_FTRACE_REGS | TL_FTRACE_IP);
    OPS(second, goes_to_another, 0, TL_FTRACE_REGS | TL_FTRACE_IP);
    OPS(tracer, on_entry, on_return, 0);
    EXPECT(tl_ftrace_register(&ops) == TL_BAD_ARGUMENT); /* not all functions */
    choose(&ops, "add");
    choose(&second, "sub add");
    EXPECT(tl_ftrace_register(&ops) == TL_OK && add(1, 2) == 1003);
    EXPECT(tl_ftrace_register(&second) == TL_BUSY && sub(2, 1) == 1);
    choose(&second, "sub");
    EXPECT(tl_ftrace_register(&second) == TL_OK && sub(2, 1) == 1003);
    EXPECT(tl_ftrace_choose(&second, TL_FTRACE_FILTER, "add", TL_FTRACE_ADD) == TL_BUSY && sub(2, 1) == 1003);
    EXPECT(tl_ftrace_choose(&second, TL_FTRACE_FILTER, "", TL_FTRACE_REPLACE) == TL_BAD_ARGUMENT);
    EXPECT(tl_ftrace_register(&tracer) == TL_OK && add(1, 2) == 1003 && sub(2, 1) == 1003);
    EXPECT(tracer_told.calls >= 2 && tracer_told.returns >= 2);
    EXPECT(tl_ftrace_unregister(&tracer) == TL_OK && add(1, 2) == 1003);
    EXPECT(tl_ftrace_unregister(&ops) == TL_OK && tl_ftrace_unregister(&second) == TL_OK);
    EXPECT(add(1, 2) == 3 && sub(2, 1) == 1);
}

static void keeps_all_registers(const char *kind, struct tl_ftrace_ops *ops)
{
    uintptr_t in[PROBE_WORDS], out[PROBE_WORDS];
    static const unsigned flags[] = {0x202, 0xad7, 0xa02, 0x2d7, 0x683}; /* some with OF, one with DF */
    struct told *told = ops->data;
    unsigned before = told->calls;
    for (unsigned round = 0; round < 5; round++) {
        if (flags[round] & 0x400 && !(ops->flags & TL_FTRACE_REGS))
            continue; /* a function is entered with DF clear */
        for (unsigned i = 0; i < PROBE_WORDS; i++)
            in[i] = out[i] = (uintptr_t)(0x1234567890abcdef + 0x0101010101010101 * i);
        in[PROBE_WORDS - 1] = flags[round];
        ftrace_probe(in, out, code_nop);
        for (unsigned i = 0; i < PROBE_WORDS; i++)
            if (i != 4 && in[i] != out[i]) {
                printf("not ok: %s loses register %u: %#lx, %#lx\n", kind, i, (unsigned long)in[i],
                       (unsigned long)out[i]);
                bad = 1;
            }
    }
    EXPECT(told->calls > before);
}

static void uses_all_registers(uintptr_t at, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    on_entry(at, parent, ops, regs);
    EXPECT(((uintptr_t)__builtin_frame_address(0) + 2 * sizeof(uintptr_t)) % 16 == 0);
#ifdef __x86_64__
    __asm__ volatile("xorl %%eax,%%eax; xorl %%ecx,%%ecx; xorl %%edx,%%edx; xorl %%esi,%%esi; xorl %%edi,%%edi;"
                     "xorl %%r8d,%%r8d; xorl %%r9d,%%r9d; xorl %%r10d,%%r10d; xorl %%r11d,%%r11d"
                     :
                     :
                     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc");
#else
    __asm__ volatile("xorl %%eax,%%eax; xorl %%ecx,%%ecx; xorl %%edx,%%edx" : : : "eax", "ecx", "edx", "cc");
#endif
}

static void every_trampoline_keeps_every_register(void)
{
    OPS(plain, uses_all_registers, 0, 0);
    OPS(regs, uses_all_registers, 0, TL_FTRACE_REGS);
    OPS(back, uses_all_registers, on_return, 0);
    choose(&plain, "code_nop");
    choose(&regs, "code_nop");
    choose(&back, "code_nop");
    EXPECT(tl_ftrace_register(&plain) == TL_OK);
    keeps_all_registers("the direct trampoline", &plain);
    EXPECT(tl_ftrace_register(&back) == TL_OK);
    keeps_all_registers("the list", &plain);
    EXPECT(tl_ftrace_unregister(&plain) == TL_OK);
    keeps_all_registers("a hooked return", &back);
    EXPECT(back_told.returns == back_told.calls);
    EXPECT(tl_ftrace_register(&regs) == TL_OK);
    keeps_all_registers("the list with registers", &back);
    EXPECT(tl_ftrace_unregister(&back) == TL_OK);
    keeps_all_registers("the direct trampoline with registers", &regs);
    EXPECT(tl_ftrace_unregister(&regs) == TL_OK);
}

/* ---- returns ---- */

static void returns_are_told_innermost_first(void)
{
    OPS(ops, on_entry, on_return, 0);
    choose(&ops, "outer add sub");
    EXPECT(tl_ftrace_register(&ops) == TL_OK);
    returns_told = 0;
    EXPECT(outer(5) == 10);
    EXPECT(returns_told == 3 && ops_told.calls == 3 && ops_told.returns == 3 && ops_told.value == 10);
    EXPECT(returned[2].function == site((int (*)(int, int))(uintptr_t)outer) && returned[2].depth == 0);
    EXPECT(returned[0].depth == 1 && returned[1].depth == 1 && returned[0].function != returned[1].function);
    EXPECT(tl_ftrace_unregister(&ops) == TL_OK && port_thread.depth == 0);
}

static void adds_one(const struct tl_ftrace_call *call, uintptr_t *value)
{
    on_return(call, value);
    value[0]++;
}

static void several_may_hook_one_return(void)
{
    OPS(one, on_entry, adds_one, 0);
    OPS(two, on_entry, adds_one, TL_FTRACE_REGS);
    OPS(plain, on_entry, 0, 0);
    choose(&one, "add");
    choose(&two, "add");
    choose(&plain, "add");
    EXPECT(tl_ftrace_register(&one) == TL_OK && add(1, 1) == 3 && port_thread.depth == 0);
    uintptr_t parent = one_told.parent;
    EXPECT(tl_ftrace_register(&two) == TL_OK && tl_ftrace_register(&plain) == TL_OK);
    EXPECT(add(1, 1) == 4 && port_thread.depth == 0);
    EXPECT(two_told.parent == one_told.parent && plain_told.parent == one_told.parent && parent != 0);
    EXPECT(two_told.parent != (uintptr_t)tl_exit_trampoline);
    EXPECT(tl_ftrace_unregister(&one) == TL_OK && add(1, 1) == 3 && tl_ftrace_unregister(&two) == TL_OK);
    EXPECT(tl_ftrace_unregister(&plain) == TL_OK && add(1, 1) == 2);
}

static void a_tail_call_returns_twice(void)
{
    OPS(ops, on_entry, on_return, 0);
    choose(&ops, "code_tail*");
    EXPECT(tl_ftrace_register(&ops) == TL_OK && code_tail(41) == 42);
    EXPECT(ops_told.calls == 2 && ops_told.returns == 2 && port_thread.depth == 0);
    EXPECT(tl_ftrace_unregister(&ops) == TL_OK);
}

static void deep_calls_are_counted_as_lost(void)
{
    OPS(ops, on_entry, on_return, 0);
    uint32_t before = counts_now().lost;
    choose(&ops, "down");
    EXPECT(tl_ftrace_register(&ops) == TL_OK && down(99) == 99);
    EXPECT(ops_told.calls == TL_FTRACE_DEPTH && ops_told.returns == TL_FTRACE_DEPTH);
    EXPECT(counts_now().lost == before + 100 - TL_FTRACE_DEPTH && port_thread.depth == 0);
    EXPECT(tl_ftrace_unregister(&ops) == TL_OK);
}

static __attribute__((noinline)) void jump_over(void)
{
    if (setjmp(jump) == 0)
        jumps_out();
}

static void a_jump_over_hooked_calls_is_noticed(void)
{
    OPS(ops, on_entry, on_return, 0);
    uint32_t before = counts_now().stale;
    choose(&ops, "outer add jumps_out");
    EXPECT(tl_ftrace_register(&ops) == TL_OK);
    jump_over();
    EXPECT(port_thread.depth == 1 && ops_told.returns == 0);
    port_thread.calls[0].slot = 8; /* wherever it was: not where the next one is */
    EXPECT(outer(5) == 10 && ops_told.returns == 2 && counts_now().stale == before);
    jump_over();
    EXPECT(tl_ftrace_unregister(&ops) == TL_OK);
    port_thread.depth = 0;
}

static uintptr_t seen_at_return;
static void looks_up(const struct tl_ftrace_call *call, uintptr_t *value)
{
    (void)value;
    seen_at_return = *(uintptr_t *)call->slot;
}

static void the_real_return_address_can_be_found(void)
{
    OPS(ops, on_entry, looks_up, 0);
    choose(&ops, "outer");
    uintptr_t slots[2] = {42, (uintptr_t)tl_exit_trampoline};
    EXPECT(tl_ftrace_register(&ops) == TL_OK && outer(5) == 10);
    EXPECT(seen_at_return == ops_told.parent);
    EXPECT(tl_ftrace_return_address(&port_thread, &slots[0]) == 42);
    slots[1] = 4711;
    const struct tl_ftrace_call who = {.function = 1, .ops = &ops, .generation = ops.generation};
    EXPECT(tli_exit_hook(&port_thread, &slots[1], &who) && slots[1] == (uintptr_t)tl_exit_trampoline);
    EXPECT(tli_exit_hook(&port_thread, &slots[1], &who));
    EXPECT(tl_ftrace_return_address(&port_thread, &slots[1]) == 4711);
    port_thread.depth = 0;
    EXPECT(tl_ftrace_unregister(&ops) == TL_OK);
}

static void leaves(uintptr_t at, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs);
static struct tl_ftrace_ops *leaving;

/* Called inside a hooked call of the ops that goes. */
static void leaves(uintptr_t at, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    (void)at, (void)parent, (void)ops, (void)regs;
}

static int unregisters(int n)
{
    EXPECT(tl_ftrace_unregister(leaving) == TL_OK);
    return n;
}

static void goes_to_unregister(uintptr_t at, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    (void)at, (void)parent, (void)ops;
    regs->ip = (uintptr_t)unregisters;
}

static void a_return_after_unregistration_is_not_told(void)
{
    OPS(ops, on_entry, on_return, 0);
    OPS(inner, goes_to_unregister, 0, TL_FTRACE_REGS | TL_FTRACE_IP);
    leaving = &ops;
    choose(&ops, "down");
    choose(&inner, "down");
    EXPECT(tl_ftrace_register(&ops) == TL_OK && tl_ftrace_register(&inner) == TL_OK);
    ops.entered = leaves;
    EXPECT(down(7) == 7); /* is replaced by a function that unregisters, inside the hooked call */
    EXPECT(ops_told.returns == 0 && port_thread.depth == 0);
    EXPECT(tl_ftrace_unregister(&inner) == TL_OK && down(7) == 7);
}

int main(void)
{
    setvbuf(stdout, 0, _IONBF, 0);
    port_open();
    open_table();
    registers_can_be_seen_and_changed();
    a_function_can_be_replaced();
    every_trampoline_keeps_every_register();
    returns_are_told_innermost_first();
    several_may_hook_one_return();
    a_tail_call_returns_twice();
    deep_calls_are_counted_as_lost();
    a_jump_over_hooked_calls_is_noticed();
    the_real_return_address_can_be_found();
    a_return_after_unregistration_is_not_told();
    printf("%s at %d bits\n", bad ? "not ok" : "ok", TL_ARCH_MODE);
    return bad;
}
