/* SPDX-License-Identifier: MIT
 *
 * Tests of ftrace in ring 0: exact counts on all CPUs, callbacks while sites are switched, replacement, registers, all
 * functions at once. The tracers' output is tested in trace_test.c.
 */
#include <core/exit.h>
#include <core/ftrace.h>
#include <core/poke.h>
#include <kernel/backtrace.h>
#include <kernel/interrupts.h>
#include <kernel/smp.h>
#include <kernel/symbols.h>
#include <kernel/test.h>
#include <kernel/thread.h>
#include <regs.h>
#include <trapline/ftrace.h>
#include <trapline/port.h>

#define OPAQUE __asm__ volatile("" : : : "memory") /* a call is a call, and comes back */
#ifdef __clang__
#define PREY __attribute__((noinline, used)) /* used: by others, so it takes its arguments where all functions do */
#else
#define PREY __attribute__((noipa))
#endif

/* The first claim of a test that does not hold; a test goes on, so that it leaves everything as it was. */
static const char *volatile failed;
#define EXPECT(claim)                                                                                                  \
    do {                                                                                                               \
        if (!(claim) && !failed)                                                                                       \
            failed = #claim;                                                                                           \
    } while (0)

enum { CALLS = 20000, SWITCHES = 10000 };

PREY static unsigned ftrace_prey_one(unsigned n)
{
    OPAQUE;
    return n + 1;
}

PREY static unsigned ftrace_prey_two(unsigned n)
{
    OPAQUE;
    return n + 2;
}

PREY static unsigned ftrace_prey_outer(unsigned n)
{
    unsigned sum = ftrace_prey_one(n) + ftrace_prey_two(n);
    OPAQUE;
    return sum;
}

static unsigned instead(unsigned n)
{
    return n + 1000;
}

struct told {
    _Atomic unsigned calls, returns;
    uintptr_t parent;
};

static void add_one(_Atomic unsigned *count)
{
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed); /* relaxed: read when the threads have ended */
}

static void on_entry(uintptr_t site, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    struct told *told = ops->data;
    (void)site, (void)regs;
    add_one(&told->calls);
    told->parent = parent;
}

static void on_return(const struct tl_ftrace_call *call, uintptr_t *value)
{
    struct told *told = call->ops->data;
    (void)value;
    add_one(&told->returns);
}

static void replace(uintptr_t site, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    on_entry(site, parent, ops, regs);
    regs->ip = (uintptr_t)instead;
}

#define OPS(name, on, back, how)                                                                                       \
    static struct told name##_told;                                                                                    \
    static struct tl_ftrace_ops name = {.entered = on, .returned = back, .flags = how, .data = &name##_told};          \
    name##_told.calls = name##_told.returns = 0

static bool on(struct tl_ftrace_ops *ops, const char *globs)
{
    return tl_ftrace_choose(ops, TL_FTRACE_FILTER, globs, TL_FTRACE_REPLACE) == TL_OK &&
           tl_ftrace_register(ops) == TL_OK;
}

static bool off(struct tl_ftrace_ops *ops)
{
    return tl_ftrace_unregister(ops) == TL_OK;
}

/* ---- threads on all CPUs but this one; on a single CPU, one beside this one ---- */

static struct thread *callers[CPU_MAX];
static _Atomic bool quit;

static unsigned start_callers(void (*run)(void *))
{
    unsigned count = 0;
    quit = false;
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
        if (cpu != cpu_id() || cpu_count() == 1)
            callers[count++] = thread_start_on(cpu, "ftrace caller", run, 0);
    return count;
}

static void wait_for(unsigned count)
{
    quit = true;
    for (unsigned i = 0; i < count; i++)
        thread_wait(callers[i]);
}

static void calls_a_number(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < CALLS; i++)
        EXPECT(ftrace_prey_one(i) == i + 1);
}

static const char *counts_are_exact_on_all_cpus(void)
{
    failed = NULL;
    OPS(plain, on_entry, 0, 0);
    OPS(regs, on_entry, 0, TL_FTRACE_REGS);
    OPS(back, on_entry, on_return, 0);
    EXPECT(on(&plain, "ftrace_prey_one") && on(&regs, "ftrace_prey_*") && on(&back, "ftrace_prey_one"));
    unsigned count = start_callers(calls_a_number);
    calls_a_number(0);
    wait_for(count);
    unsigned calls = (count + 1) * CALLS;
    EXPECT(plain_told.calls == calls && regs_told.calls == calls);
    EXPECT(back_told.calls == calls && back_told.returns == calls);
    EXPECT(off(&plain) && off(&regs) && off(&back));
    EXPECT(ftrace_prey_one(1) == 2 && plain_told.calls == calls);
    return failed;
}
KERNEL_TEST(counts_are_exact_on_all_cpus);

/* ---- under change ---- */

/* 64 functions: a batch has something to switch. */
/* clang-format off */
#define ONE(n) PREY static unsigned ftrace_many_##n(unsigned x) { OPAQUE; return x + 1##n; }
#define EIGHT(n) ONE(n##0) ONE(n##1) ONE(n##2) ONE(n##3) ONE(n##4) ONE(n##5) ONE(n##6) ONE(n##7)
EIGHT(0) EIGHT(1) EIGHT(2) EIGHT(3) EIGHT(4) EIGHT(5) EIGHT(6) EIGHT(7)
#undef ONE
#define ONE(n) {ftrace_many_##n, 1##n},
static const struct {
    unsigned (*call)(unsigned);
    unsigned adds;
} many[] = {EIGHT(0) EIGHT(1) EIGHT(2) EIGHT(3) EIGHT(4) EIGHT(5) EIGHT(6) EIGHT(7)};
/* clang-format on */
enum { MANY = sizeof(many) / sizeof(many[0]) };

static _Atomic unsigned phase; /* odd: those have a callback, one or another */
static _Atomic unsigned prey_calls;
static unsigned told_here[CPU_MAX];

static void on_entry_here(uintptr_t site, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    on_entry(site, parent, ops, regs);
    told_here[cpu_id()]++; /* one caller on each CPU */
}

static void calls_until_told(void *unused)
{
    (void)unused;
    for (unsigned i = 0; !quit; i++) {
        unsigned before = phase, told = told_here[cpu_id()];
        EXPECT(many[i % MANY].call(i) == i + many[i % MANY].adds);
        EXPECT(before % 2 == 0 || phase != before || told_here[cpu_id()] != told); /* reaches one or the other */
        EXPECT(ftrace_prey_two(i) == i + 1000);                                    /* is always replaced */
        add_one(&prey_calls);
    }
}

/* Each step switches all of them: nop -> a -> a and b -> b -> b and a -> a -> nop. */
static const char *no_call_is_lost_while_sites_are_switched(void)
{
    OPS(always, replace, 0, TL_FTRACE_REGS | TL_FTRACE_IP);
    OPS(a, on_entry_here, 0, 0);
    OPS(b, on_entry_here, on_return, TL_FTRACE_REGS);
    failed = NULL;
    prey_calls = 0;
    EXPECT(on(&always, "ftrace_prey_two"));
    unsigned count = start_callers(calls_until_told), switched = 0;
    unsigned long wanted = test_option("switches", SWITCHES);
    for (; !failed && switched < wanted; switched += 6 * MANY) {
        EXPECT(on(&a, "ftrace_many_*"));
        phase++;
        EXPECT(on(&b, "ftrace_many_*") && off(&a));
        EXPECT(on(&a, "ftrace_many_*") && off(&b));
        phase++;
        EXPECT(off(&a));
    }
    wait_for(count);
    EXPECT(always_told.calls == prey_calls);
    EXPECT(off(&always) && ftrace_prey_two(1) == 3);
    console_print("  %u calls, %u sites switched\n", prey_calls, switched);
    return failed;
}
KERNEL_TEST(no_call_is_lost_while_sites_are_switched);

/* ---- registers ---- */

static void adds_ten(uintptr_t site, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    on_entry(site, parent, ops, regs);
    EXPECT(regs->ip == site + 5 && *(uintptr_t *)(uintptr_t)regs->gpr[TL_REG_SP] == parent);
    regs->gpr[TL_REG_AX] = 77;
    uintptr_t *argument =
        sizeof(uintptr_t) == 8 ? (uintptr_t *)&regs->gpr[TL_REG_DI] : (uintptr_t *)regs->gpr[TL_REG_SP] + 1;
    *argument += 10;
}

static const char *registers_and_functions_can_be_replaced(void)
{
    failed = NULL;
    OPS(ten, adds_ten, 0, TL_FTRACE_REGS);
    OPS(other, replace, 0, TL_FTRACE_REGS | TL_FTRACE_IP);
    OPS(second, replace, 0, TL_FTRACE_REGS | TL_FTRACE_IP);
    EXPECT(on(&ten, "ftrace_prey_one") && ftrace_prey_one(1) == 12);
    EXPECT(on(&other, "ftrace_prey_one") && ftrace_prey_one(1) == 1011);
    EXPECT(!on(&second, "ftrace_prey_*") && ftrace_prey_two(1) == 3);
    EXPECT(off(&ten) && ftrace_prey_one(1) == 1001 && off(&other) && ftrace_prey_one(1) == 2);
    return failed;
}
KERNEL_TEST(registers_and_functions_can_be_replaced);

/* ---- a stack with hooked returns ---- */

static uintptr_t seen[8];
static size_t seen_count;

static void looks_back(uintptr_t site, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    on_entry(site, parent, ops, regs);
    seen_count = backtrace((uintptr_t)__builtin_frame_address(0), seen, 8);
}

static bool is_seen(uintptr_t function)
{
    for (size_t i = 0; i < seen_count; i++) {
        struct symbol symbol;
        if (symbol_of(seen[i] - 1, &symbol) && symbol.address == function)
            return true;
    }
    return false;
}

static const char *a_backtrace_sees_through_trampolines(void)
{
    failed = NULL;
    OPS(hooks, on_entry, on_return, 0);
    OPS(looks, looks_back, 0, 0);
    EXPECT(on(&hooks, "ftrace_prey_*") && on(&looks, "ftrace_prey_two"));
    EXPECT(ftrace_prey_outer(1) == 5 && hooks_told.returns == 3);
    EXPECT(is_seen((uintptr_t)ftrace_prey_two) && is_seen((uintptr_t)ftrace_prey_outer));
    EXPECT(is_seen((uintptr_t)a_backtrace_sees_through_trampolines));
    EXPECT(off(&hooks) && off(&looks));
    return failed;
}
KERNEL_TEST(a_backtrace_sees_through_trampolines);

/* ---- every context ---- */

PREY static unsigned ftrace_prey_nmi(unsigned n)
{
    OPAQUE;
    return n + 3;
}

PREY static unsigned ftrace_prey_timer(unsigned n)
{
    OPAQUE;
    return n + 4;
}

static _Atomic unsigned nmi_calls, timer_calls;

static void on_nmi(void)
{
    EXPECT(ftrace_prey_nmi(1) == 4);
    add_one(&nmi_calls);
}

static void on_timer(void)
{
    EXPECT(ftrace_prey_timer(1) == 5);
    add_one(&timer_calls);
}

/* To one CPU after the other, the next when the last is served: a CPU that is never out of NMIs never ends the trap
 * that they have interrupted. One thread is enough to keep all busy. */
static void sends_nmis(void *unused)
{
    (void)unused;
    for (unsigned cpu = 0; !quit && cpu_id() < 2; cpu = (cpu + 1) % cpu_count()) {
        unsigned before = cpus[cpu].nmis;
        cpu_send_nmi(cpu);
        while (!quit && cpus[cpu].nmis == before)
            thread_yield();
        thread_yield();
    }
}

/* Functions that interrupts run are traced in them, while everything around is switched, and hooked. */
static const char *interrupts_and_nmis_are_traced(void)
{
    OPS(nmi, on_entry, on_return, 0);
    OPS(timer, on_entry, on_return, TL_FTRACE_REGS);
    OPS(all, on_entry, on_return, 0);
    failed = NULL;
    nmi_calls = timer_calls = 0;
    EXPECT(on(&nmi, "ftrace_prey_nmi") && on(&timer, "ftrace_prey_timer"));
    interrupts_nmi_hook = on_nmi;
    interrupts_timer_hook = on_timer;
    unsigned count = start_callers(sends_nmis);
    for (unsigned long i = 0; !failed && i < test_option("rounds", 25); i++) {
        EXPECT(on(&all, "* !ftrace_prey_*"));
        EXPECT(off(&all));
    }
    wait_for(count);
    interrupts_nmi_hook = interrupts_timer_hook = NULL;
    for (unsigned i = 0; i < 100 && (nmi_told.returns != nmi_calls || timer_told.returns != timer_calls); i++)
        thread_sleep_ms(20); /* who is in a hook leaves it */
    EXPECT(nmi_told.calls == nmi_calls && nmi_told.returns == nmi_calls && nmi_calls > 0);
    EXPECT(timer_told.calls == timer_calls && timer_told.returns == timer_calls && timer_calls > 0);
    EXPECT(off(&nmi) && off(&timer));
    struct tl_ftrace_counts counts;
    tl_ftrace_count_all(&counts);
    console_print("  %u NMIs, told %u and %u, %u timer interrupts, told %u and %u, %u other calls\n", nmi_calls,
                  nmi_told.calls, nmi_told.returns, timer_calls, timer_told.calls, timer_told.returns, all_told.calls);
    console_print("  %u recursions, %u returns lost, %u stale\n", counts.recursed, counts.lost, counts.stale);
    return failed;
}
KERNEL_TEST(interrupts_and_nmis_are_traced);

/* ---- everything ---- */

static const char *what_the_tracer_runs_has_no_site(void)
{
    failed = NULL;
    const void *const never[] = {(void *)tli_ftrace_call, (void *)tli_exit_return,      (void *)tli_exit_hook,
                                 (void *)tli_ftrace_find, (void *)tl_port_trace_thread, (void *)tl_port_context,
                                 (void *)tli_ftrace_int3};
    size_t sites = 0;
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        EXPECT(tl_ftrace_site_of((uintptr_t)never[i]) == 0);
    for (size_t i = 0; i < tl_ftrace_count(); i++)
        EXPECT(!tl_port_trap_path(tl_ftrace_site(i), 5));
    for (size_t i = 0; i < symbol_count(); i++)
        sites += tl_ftrace_site_of(symbol_get(i).address) != 0;
    EXPECT(sites == tl_ftrace_count());
    console_print("  %u of %u functions can be traced\n", (unsigned)sites, (unsigned)symbol_count());
    return failed;
}
KERNEL_TEST(what_the_tracer_runs_has_no_site);

static void all_functions_at_once(tl_ftrace_returned *returned)
{
    OPS(all, on_entry, 0, 0);
    OPS(also, on_entry, 0, TL_FTRACE_REGS);
    all.returned = returned;
    uint64_t before = tli_poke_count.serialisations;
    EXPECT(on(&all, "") && tli_poke_count.serialisations == before + 3);
    EXPECT(on(&also, "") && tli_poke_count.serialisations == before + 6);
    thread_sleep_ms(20);
    console_print("  a line of text, printed by traced functions\n");
    EXPECT(ftrace_prey_outer(1) == 5);
    EXPECT(off(&also) && tli_poke_count.serialisations == before + 9);
    EXPECT(off(&all) && tli_poke_count.serialisations == before + 12);
    EXPECT(all_told.calls > 100 && also_told.calls > 100);
    unsigned calls = all_told.calls;
    EXPECT(ftrace_prey_outer(1) == 5 && all_told.calls == calls);
    console_print("  %u functions, %u calls, %u returns\n", (unsigned)tl_ftrace_count(), calls, all_told.returns);
}

static const char *all_functions_at_once_are_three_serialisations(void)
{
    failed = NULL;
    all_functions_at_once(0);
    return failed;
}
KERNEL_TEST(all_functions_at_once_are_three_serialisations);

static const char *all_returns_at_once(void)
{
    failed = NULL;
    all_functions_at_once(on_return);
    return failed;
}
KERNEL_TEST(all_returns_at_once);

static void ends_at_once(void *unused)
{
    (void)unused;
}

/* The function that gives up a thread's hooked returns is called by traced ones. */
static const char *a_thread_ends_with_returns_hooked(void)
{
    failed = NULL;
    OPS(all, on_entry, on_return, 0);
    EXPECT(on(&all, ""));
    for (unsigned i = 0; i < 4; i++)
        wait_for(start_callers(ends_at_once));
    EXPECT(off(&all) && all_told.calls > all_told.returns);
    return failed;
}
KERNEL_TEST(a_thread_ends_with_returns_hooked);
