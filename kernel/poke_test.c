/* SPDX-License-Identifier: MIT
 *
 * No call is lost: all CPUs but one call functions in loops while that one switches their sites, nop -> call a -> call
 * b
 * -> nop, one by one and in batches; the same from NMI handlers, interrupt handlers and a later stage of the int3
 * handler, while those arrive as fast as QEMU sends them. Counts are exact. A kernel that skips the instruction
 * instead of emulating it (images *-skip) fails here.
 */
#include <kernel/apic.h>
#include <kernel/interrupts.h>
#include <kernel/smp.h>
#include <kernel/test.h>
#include <kernel/thread.h>
#include <regs.h>
#include <stdatomic.h>
#include <trapline/notify.h>
#include <trapline/poke.h>

enum { PAIRS = 128, SITES = 2 * PAIRS, SITE_BYTES = 5, STEP_BYTES = 6, STORM_HZ = 5000, TIMER_HZ = 100 };

/* SITES functions of a nop and a ret, as they fall across words and cache lines. What a site calls adds itself to ax
 * and to its own count, which is a lone instruction, so that no context needs another's. */
extern uint8_t poke_test_sites[], poke_test_a[], poke_test_b[], poke_test_int3[];
_Atomic unsigned poke_test_reached_a, poke_test_reached_b;
__asm__(".pushsection .text\n"
        ".globl poke_test_sites, poke_test_a, poke_test_b, poke_test_int3\n"
        "poke_test_sites: .rept 256\n .byte 0x0f, 0x1f, 0x44, 0, 0, 0xc3\n .endr\n"
        "poke_test_a: add $1, %eax\n lock incl poke_test_reached_a\n ret\n"
        "poke_test_b: add $2, %eax\n lock incl poke_test_reached_b\n ret\n"
        "poke_test_int3: int3\n ret\n"
        ".popsection");

/* Sites are in pairs, of which so many are switched: the first of each leads to a or b all the while. */
static unsigned pairs;
static _Atomic unsigned made[3], others[3]; /* by all contexts: calls of the firsts, of the seconds; see call() */
static _Atomic unsigned phase; /* of the seconds; mod 4: 0 nops, 2 calls of a or b, else neither for certain */
static _Atomic unsigned wrong;
static _Atomic bool ended;

/* 0: nothing was called; 1: a, 2: b. */
static unsigned call(unsigned site)
{
    unsigned long got = 0;
    __asm__ volatile("call *%1" : "+a"(got) : "r"(poke_test_sites + site * STEP_BYTES) : "memory", "cc");
    return (unsigned)got;
}

static void note(_Atomic unsigned *counts, unsigned got)
{
    atomic_fetch_add_explicit(&counts[got % 3], 1, memory_order_relaxed); /* relaxed: read when all have ended */
}

static void call_both(unsigned turn)
{
    unsigned first = 2 * (turn % pairs), before = atomic_load(&phase), got = call(first + 1);
    bool steady = atomic_load(&phase) == before;
    note(others, got);
    if (steady && ((before % 4 == 0 && got != 0) || (before % 4 == 2 && got == 0)))
        atomic_fetch_add(&wrong, 1);
    note(made, call(first));
}

static void calls(void *unused)
{
    (void)unused;
    for (unsigned turn = 0; !atomic_load(&ended); turn++)
        call_both(turn);
}

/* ---- switching ---- */

static struct tl_poke now[SITES]; /* what stands there */
static unsigned long switched;

/* count sites from first on, every one or every second. */
static bool switch_to(unsigned first, unsigned step, unsigned count, uint8_t *target)
{
    static struct tl_poke pokes[SITES];
    for (unsigned i = 0; i < count; i++) {
        struct tl_poke *poke = &pokes[i], *before = &now[first + i * step];
        *poke = (struct tl_poke){(uintptr_t)poke_test_sites + (first + i * step) * STEP_BYTES,
                                 (uintptr_t)target,
                                 target ? TL_POKE_CALL : TL_POKE_NOP,
                                 SITE_BYTES,
                                 {0}};
        before->address = poke->address;
        before->size = SITE_BYTES;
        if (tl_poke_encode(poke->expected, before) != TL_OK)
            return false;
    }
    bool good = tl_poke(pokes, count, NULL) == TL_OK;
    for (unsigned i = 0; good && i < count; i++)
        now[first + i * step] = pokes[i];
    switched += count;
    if (cpu_count() == 1)
        thread_yield();
    return good;
}

/* All at once, or one after the other. */
static bool switch_all(unsigned first, unsigned step, uint8_t *target, bool batch)
{
    unsigned count = step == 1 ? 2 * pairs : pairs;
    bool good = true;
    for (unsigned i = 0; good && i < count; i += batch ? count : 1)
        good = switch_to(first + i * step, step, batch ? count : 1, target);
    return good;
}

/* Nine switches a pair. */
static bool one_round(bool batch)
{
    bool good = switch_all(1, 2, poke_test_a, batch);
    atomic_fetch_add(&phase, 1);
    good = good && switch_all(0, 1, poke_test_b, batch) && switch_all(0, 1, poke_test_a, batch) &&
           switch_all(0, 1, poke_test_b, batch);
    atomic_fetch_add(&phase, 1);
    good = good && switch_all(1, 2, NULL, batch);
    atomic_fetch_add(&phase, 1);
    for (unsigned i = 0; cpu_count() == 1 && i < 3; i++)
        thread_yield();
    atomic_fetch_add(&phase, 1);
    return good && switch_all(0, 2, poke_test_a, batch);
}

/* The number of callers that did start. */
static unsigned start(struct thread **threads, void (*run)(void *))
{
    unsigned count = 0;
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
        if (cpu != cpu_id() || cpu_count() == 1)
            threads[count++] = thread_start_on(cpu, "poke caller", run, NULL);
    return count;
}

/* Rounds with so many pairs, in batches or singly. The firsts lead to a before and after. */
static bool run(void (*caller)(void *), unsigned many, unsigned long rounds, bool batch)
{
    struct thread *threads[CPU_MAX];
    bool good = true;
    pairs = many;
    atomic_store(&ended, false);
    atomic_store(&phase, 1);
    unsigned count = start(threads, caller);
    for (unsigned long i = 0; good && i < rounds && !atomic_load(&wrong) && !made[0]; i++)
        good = one_round(batch);
    atomic_store(&ended, true);
    for (unsigned i = 0; i < count; i++)
        thread_wait(threads[i]);
    return good;
}

static bool begin(void)
{
    pairs = PAIRS;
    for (unsigned i = 0; i < 3; i++)
        made[i] = others[i] = 0;
    poke_test_reached_a = poke_test_reached_b = wrong = 0;
    bool good = switch_all(0, 2, poke_test_a, true);
    switched = 0;
    return good;
}

static bool end(void)
{
    pairs = PAIRS;
    return switch_all(0, 1, NULL, true);
}

static const char *counts_are_right(void)
{
    console_print("  %u calls, %lu sites switched; of the sites that always lead somewhere: %u nowhere, %u to a, %u to "
                  "b; %u wrong of the others\n",
                  made[0] + made[1] + made[2] + others[0] + others[1] + others[2], switched, made[0], made[1], made[2],
                  wrong);
    TEST_CHECK(made[0] == 0 && wrong == 0);
    TEST_CHECK(made[1] > 0 && made[2] > 0);
    TEST_CHECK(made[1] + others[1] == poke_test_reached_a);
    TEST_CHECK(made[2] + others[2] == poke_test_reached_b);
    return NULL;
}

static const char *no_call_is_lost(void)
{
    bool good = begin() && run(calls, PAIRS, test_option("batches", 90), true) &&
                run(calls, 4, test_option("singles", 3), false);
    const char *counts = counts_are_right();
    good = end() && good;
    TEST_CHECK(good || counts);
    return counts;
}
KERNEL_TEST(no_call_is_lost);

/* ---- the same in every context ---- */

static _Atomic unsigned in_nmi, in_interrupt, in_int3;

static void in_context(_Atomic unsigned *count)
{
    call_both(atomic_fetch_add_explicit(count, 1, memory_order_relaxed)); /* relaxed: a counter */
}

static void on_nmi(void)
{
    in_context(&in_nmi);
}

static void on_timer(void)
{
    in_context(&in_interrupt);
}

/* A later stage of the handler: it may run into a breakpoint of its own. */
static bool on_int3(struct tl_notifier *self, const struct tl_notification *what)
{
    (void)self;
    if (what->event != TL_NOTIFY_INT3 || (*what->regs)->ip != (uintptr_t)poke_test_int3 + 1)
        return false;
    in_context(&in_int3);
    return true;
}

/* To one CPU after the other, the next when the last is served: a CPU that is never out of NMIs never ends the trap
 * that they have interrupted. */
static void calls_and_sends(void *unused)
{
    (void)unused;
    apic_timer(STORM_HZ);
    for (unsigned turn = 0; !atomic_load(&ended); turn++) {
        unsigned cpu = turn % cpu_count();
        uint32_t before = cpus[cpu].nmis;
        if (cpu_id() < 2)
            cpu_send_nmi(cpu);
        call_both(turn);
        __asm__ volatile("call *%0" : : "r"(poke_test_int3) : "memory", "cc");
        while (cpu_id() < 2 && !atomic_load(&ended) && cpus[cpu].nmis == before)
            call_both(turn);
    }
    apic_timer(TIMER_HZ);
}

static const char *no_call_is_lost_in_a_storm(void)
{
    struct tl_notifier notifier = {on_int3, INT32_MAX - 1};
    TEST_CHECK(tl_notifier_register(&notifier) == TL_OK);
    bool good = begin();
    in_nmi = in_interrupt = in_int3 = 0;
    interrupts_nmi_hook = on_nmi;
    interrupts_timer_hook = on_timer;
    good = good && run(calls_and_sends, PAIRS, test_option("storms", 10), true);
    interrupts_nmi_hook = interrupts_timer_hook = NULL;
    thread_sleep_ms(50); /* who is in a hook leaves it */
    console_print("  %u NMIs, %u timer interrupts, %u int3s\n", in_nmi, in_interrupt, in_int3);
    const char *counts = counts_are_right();
    good = end() && good;
    TEST_CHECK(tl_notifier_unregister(&notifier) == TL_OK);
    TEST_CHECK(in_nmi > 0 && in_interrupt > 0 && in_int3 > 0);
    TEST_CHECK(good || counts);
    return counts;
}
KERNEL_TEST(no_call_is_lost_in_a_storm);
