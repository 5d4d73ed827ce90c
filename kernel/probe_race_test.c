/* SPDX-License-Identifier: MIT
 *
 * Tests of probes in ring 0 while they change, on all CPUs, in interrupts and NMIs, and on every function at once.
 */
#include <kernel/interrupts.h>
#include <kernel/probe_prey.h>
#include <kernel/smp.h>
#include <kernel/symbols.h>
#include <kernel/thread.h>
#include <regs.h>
#include <trapline/port.h>

enum { ROUNDS = 100, CALLS = 2000 };

static struct thread *callers[CPU_MAX];
static _Atomic bool quit;
static _Atomic unsigned calls_made;

static unsigned start_callers(void (*run)(void *))
{
    unsigned count = 0;
    quit = false;
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
        if (cpu != cpu_id() || cpu_count() == 1)
            callers[count++] = thread_start_on(cpu, "probe caller", run, 0);
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
    for (unsigned i = 0; i < CALLS; i++) {
        EXPECT(probe_prey_jump() == 0x33);
        EXPECT(probe_prey_calls() == 0x33);
    }
}

static void adds_nothing(struct tl_return_probe *probe, const struct tl_ftrace_call *call, uintptr_t *value)
{
    (void)call, (void)value;
    add_one(&((struct probe_told *)probe->data)->after);
}

/* Int3s, jumps, returns; before and after; emulated and out of line. */
static const char *hits_are_exact_on_all_cpus(void)
{
    struct probe_told told[5] = {{0}};
    static struct tl_probe probes[4] = {
        {.address = (uintptr_t)probe_prey_jump, .before = probe_count_before},
        {.address = PREY_JUMP_ADD, .before = probe_count_before, .after = probe_count_after},
        {.address = PREY_JUMP_END, .before = probe_count_before, .after = probe_count_after},
        {.address = PREY_CALLS_CALL, .before = probe_count_before, .after = probe_count_after},
    };
    struct tl_return_probe back = {.returned = adds_nothing, .limit = 1000, .data = &told[4]};
    probe_failed = NULL;
    for (unsigned i = 0; i < 4; i++) {
        probes[i].data = &told[i];
        EXPECT(tl_probe_register(&probes[i]) == TL_OK);
    }
    back.probe.address = (uintptr_t)probe_prey_calls;
    EXPECT(tl_return_probe_register(&back) == TL_OK);
    unsigned count = start_callers(calls_a_number);
    calls_a_number(NULL);
    wait_for(count);
    unsigned calls = (count + 1) * CALLS;
    EXPECT(told[0].before == 2 * calls && told[0].after == 0);
    EXPECT(told[1].before == 2 * calls && told[1].after == 2 * calls);
    EXPECT(told[2].before == 2 * calls && told[2].after == 2 * calls);
    EXPECT(told[3].before == calls && told[3].after == calls && told[4].after == calls);
    for (unsigned i = 0; i < 4; i++)
        EXPECT(tl_probe_unregister(&probes[i]) == TL_OK && probes[i].missed == 0);
    EXPECT(tl_return_probe_unregister(&back) == TL_OK && back.probe.missed == 0);
    return probe_failed;
}
KERNEL_TEST(hits_are_exact_on_all_cpus);

/* ---- while probes come and go ---- */

static unsigned told_here[CPU_MAX];

static bool counts_here(struct tl_probe *probe, struct tl_regs *regs)
{
    told_here[cpu_id()]++; /* one caller on each CPU */
    return probe_count_before(probe, regs);
}

static void calls_until_told(void *unused)
{
    (void)unused;
    while (!quit) {
        unsigned told = told_here[cpu_id()];
        EXPECT(probe_prey_jump() == 0x33);
        EXPECT(told_here[cpu_id()] != told); /* whatever stands there */
        EXPECT(probe_prey_loop() == 6 && probe_prey_calls() == 0x33);
        add_one(&calls_made);
    }
}

/* One stays, so each call is told by whatever stands there: a jump, an int3, and a jump again. */
static const char *no_hit_is_lost_while_probes_come_and_go(void)
{
    struct probe_told stays_told = {0}, told[4] = {{0}};
    struct tl_probe stays = {.address = (uintptr_t)probe_prey_jump, .before = counts_here, .data = &stays_told};
    struct tl_return_probe back = {.returned = adds_nothing, .limit = 100, .data = &told[3]};
    unsigned long rounds = test_option("rounds", ROUNDS);
    probe_failed = NULL;
    calls_made = 0;
    back.probe.address = (uintptr_t)probe_prey_loop;
    EXPECT(tl_probe_register(&stays) == TL_OK);
    unsigned count = start_callers(calls_until_told);
    for (unsigned long i = 0; !probe_failed && i < rounds; i++) {
        struct tl_probe more[] = {
            {.address = (uintptr_t)probe_prey_jump, .before = probe_count_before, .after = probe_count_after},
            {.address = PREY_CALLS_CALL, .before = probe_count_before, .after = probe_count_after},
            {.address = (uintptr_t)probe_prey_calls, .before = probe_count_before},
        };
        for (unsigned k = 0; k < 3; k++)
            more[k].data = &told[k];
        for (unsigned k = 0; k < 3; k++) {
            EXPECT(tl_probe_register(&more[(k + i) % 3]) == TL_OK);
            if (cpu_count() == 1)
                thread_yield();
        }
        EXPECT(tl_return_probe_register(&back) == TL_OK);
        thread_yield();
        for (unsigned k = 0; k < 3; k++)
            EXPECT(tl_probe_unregister(&more[(k + i) % 3]) == TL_OK);
        EXPECT(tl_return_probe_unregister(&back) == TL_OK);
        EXPECT(told[0].before == told[0].after && told[1].before == told[1].after);
        EXPECT(tl_probe_how(&stays) == TL_PROBE_BY_JUMP);
    }
    wait_for(count);
    EXPECT(stays_told.before == 2 * calls_made && stays.missed == 0);
    EXPECT(tl_probe_unregister(&stays) == TL_OK);
    console_print("  %u calls, told %u, %u and %u of them to others, %u returns\n", 2 * calls_made, stays_told.before,
                  told[0].before, told[1].before, told[3].after);
    return probe_failed;
}
KERNEL_TEST(no_hit_is_lost_while_probes_come_and_go);

/* ---- every context ---- */

static _Atomic unsigned nmi_calls, timer_calls, nmi_body, timer_body;

PREY static unsigned probe_prey_nmi(unsigned n)
{
    OPAQUE;
    return n + 3;
}

PREY static unsigned probe_prey_timer(unsigned n)
{
    OPAQUE;
    return n + 4;
}

static void on_nmi(void)
{
    add_one(&nmi_calls);
    EXPECT(probe_prey_nmi(1) == 4);
    add_one(&nmi_body);
}

static void on_timer(void)
{
    add_one(&timer_calls);
    EXPECT(probe_prey_timer(1) == 5);
    add_one(&timer_body);
}

static void sends_nmis(void *unused)
{
    (void)unused;
    for (unsigned cpu = 0; !quit; cpu = (cpu + 1) % cpu_count()) {
        unsigned before = cpus[cpu].nmis;
        cpu_send_nmi(cpu);
        while (!quit && cpus[cpu].nmis == before)
            thread_yield();
        EXPECT(probe_prey_jump() == 0x33);
        add_one(&calls_made);
    }
}

/* Behind the nops that ftrace has there, in a build that has it. */
static uintptr_t body_of(unsigned (*function)(unsigned))
{
    uintptr_t site = tl_ftrace_site_of((uintptr_t)function);
    return site ? site + 5 : (uintptr_t)function;
}

static const char *interrupts_and_nmis_are_probed(void)
{
    struct probe_told nmi_told = {0}, timer_told = {0}, told = {0};
    struct tl_probe nmi = {.address = body_of(probe_prey_nmi), .before = probe_count_before, .data = &nmi_told};
    struct tl_probe timer = {.address = body_of(probe_prey_timer), .before = probe_count_before, .data = &timer_told};
    struct tl_probe jump = {.address = (uintptr_t)probe_prey_jump, .before = probe_count_before, .data = &told};
    probe_failed = NULL;
    nmi_calls = timer_calls = calls_made = nmi_body = timer_body = 0;
    nmi.after = timer.after = probe_count_after;
    EXPECT(tl_probe_register(&nmi) == TL_OK && tl_probe_register(&timer) == TL_OK);
    EXPECT(tl_probe_register(&jump) == TL_OK);
    interrupts_nmi_hook = on_nmi;
    interrupts_timer_hook = on_timer;
    unsigned count = start_callers(sends_nmis);
    for (unsigned long i = 0; !probe_failed && i < test_option("rounds", ROUNDS); i++) {
        struct probe_told other_told = {0};
        struct tl_probe other = {.address = (uintptr_t)probe_prey_jump, .data = &other_told};
        other.after = probe_count_after;
        EXPECT(tl_probe_register(&other) == TL_OK);
        thread_sleep_ms(1);
        EXPECT(tl_probe_unregister(&other) == TL_OK);
    }
    wait_for(count);
    interrupts_nmi_hook = interrupts_timer_hook = NULL;
    for (unsigned i = 0; i < 100 && (nmi_calls != nmi_body || timer_calls != timer_body); i++)
        thread_sleep_ms(20); /* who is in a hook leaves it */
    console_print("  %u NMIs, told %u, missed %u; %u timer interrupts, told %u, missed %u; %u calls, told %u\n",
                  nmi_calls, nmi_told.before, nmi.missed, timer_calls, timer_told.before, timer.missed, calls_made,
                  told.before);
    EXPECT(nmi_told.before == nmi_calls && nmi_told.after == nmi_calls && nmi_calls > 0 && nmi.missed == 0);
    EXPECT(timer_told.before == timer_calls && timer_told.after == timer_calls && timer_calls > 0 && timer.missed == 0);
    EXPECT(told.before == calls_made && jump.missed == 0);
    EXPECT(tl_probe_unregister(&nmi) == TL_OK && tl_probe_unregister(&timer) == TL_OK);
    EXPECT(tl_probe_unregister(&jump) == TL_OK);
    return probe_failed;
}
KERNEL_TEST(interrupts_and_nmis_are_probed);

/* ---- everything ---- */

enum { ALL_MAX = 2048 };
static struct tl_probe all[ALL_MAX];

/* The first instruction of each function, behind ftrace's nops: what is not refused can be probed at once. */
static const char *all_functions_at_once_can_be_probed(void)
{
    struct probe_told told = {0};
    unsigned count = 0, jumps = 0, refused[TL_STATUS_COUNT] = {0};
    probe_failed = NULL;
    for (size_t i = 0; i < symbol_count() && count < ALL_MAX; i++) {
        struct symbol symbol = symbol_get(i);
        uintptr_t site = tl_ftrace_site_of(symbol.address);
        struct tl_probe *probe = &all[count];
        *probe = (struct tl_probe){.address = site ? site + 5 : symbol.address, .data = &told};
        probe->before = probe_count_before;
        probe->after = i % 3 == 0 ? probe_count_after : NULL;
        probe->flags = i % 3 == 1 ? TL_PROBE_NO_JUMP : 0;
        enum tl_status status = tl_probe_register(probe);
        count += status == TL_OK;
        refused[status]++;
        jumps += tl_probe_how(probe) == TL_PROBE_BY_JUMP;
    }
    thread_sleep_ms(50);
    console_print("  a line of text, printed by probed functions\n");
    for (unsigned i = 0; i < count; i++)
        EXPECT(tl_probe_unregister(&all[i]) == TL_OK);
    console_print("  %u probes of %u functions, %u by jumps, told %u; refused: %u in the trap path, %u not movable, %u "
                  "not text\n",
                  count, (unsigned)symbol_count(), jumps, told.before, refused[TL_TRAP_PATH], refused[TL_CANNOT_MOVE],
                  refused[TL_NO_TEXT]);
    EXPECT(count > 200 && jumps > 0 && told.before > 100);
    return probe_failed;
}
KERNEL_TEST(all_functions_at_once_can_be_probed);
