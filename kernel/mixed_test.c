/* SPDX-License-Identifier: MIT
 *
 * A test of all rooms at once: while ftrace switches every function of the kernel on and off, probes come and go, a
 * static key and a static call are flipped, all on one function that every CPU calls. What stays on is told each call,
 * no more and no less.
 */
#include <kernel/probe_prey.h>
#include <kernel/smp.h>
#include <kernel/thread.h>
#include <regs.h>
#include <trapline/ftrace.h>
#include <trapline/key.h>

enum { ROUNDS = 4, CHANGERS = 2 };

static TL_KEY_OFF(mixed_key);

static unsigned adds_one(unsigned n)
{
    return n + 1;
}

static unsigned adds_two(unsigned n)
{
    return n + 2;
}

TL_STATIC_CALL(mixed_call, adds_one);

PREY static unsigned mixed_prey(unsigned n)
{
    unsigned sum = mixed_call(n);
    if (tl_key_unlikely(mixed_key))
        sum += 10;
    OPAQUE;
    return sum;
}

static _Atomic bool quit;
static _Atomic unsigned calls, changes;

static void calls_it(void *unused)
{
    (void)unused;
    while (!quit) {
        unsigned got = mixed_prey(0);
        EXPECT(got == 1 || got == 2 || got == 11 || got == 12);
        add_one(&calls);
    }
}

static void flips(void *unused)
{
    (void)unused;
    for (bool on = true; !quit; on = !on) {
        EXPECT(tl_key_set(&mixed_key.key, on) == TL_OK);
        EXPECT(tl_static_call_set(mixed_call, on ? adds_two : adds_one) == TL_OK);
        add_one(&changes);
        thread_sleep_ms(1); /* the others want the text lock, too */
    }
    EXPECT(tl_key_set(&mixed_key.key, false) == TL_OK && tl_static_call_set(mixed_call, adds_one) == TL_OK);
}

static uintptr_t body;

static void counts_return(struct tl_return_probe *probe, const struct tl_ftrace_call *call, uintptr_t *value)
{
    (void)call, (void)value;
    add_one(&((struct probe_told *)probe->data)->after);
}

static void comes_and_goes(void *unused)
{
    static struct probe_told told;
    (void)unused;
    while (!quit) {
        struct tl_probe probe = {.address = body, .before = probe_count_before, .data = &told};
        struct tl_return_probe back = {.returned = counts_return, .limit = 100, .data = &told};
        back.probe.address = (uintptr_t)mixed_prey;
        EXPECT(tl_probe_register(&probe) == TL_OK && tl_return_probe_register(&back) == TL_OK);
        thread_yield();
        EXPECT(tl_return_probe_unregister(&back) == TL_OK && tl_probe_unregister(&probe) == TL_OK);
        add_one(&changes);
        thread_sleep_ms(1);
    }
}

static void counts_entry(uintptr_t site, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    (void)site, (void)parent, (void)regs;
    add_one(ops->data);
}

static _Atomic unsigned entries, others;

/* The calling threads run until the end; those that change, beside this one. */
static void change_all(void)
{
    static struct tl_ftrace_ops all = {.entered = counts_entry, .data = (void *)&others};
    struct thread *threads[CPU_MAX + CHANGERS];
    unsigned count = 0;
    quit = false;
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
        threads[count++] = thread_start_on(cpu, "mixed caller", calls_it, NULL);
    threads[count++] = thread_start("mixed keys", flips, NULL);
    threads[count++] = thread_start("mixed probes", comes_and_goes, NULL);
    unsigned long rounds = test_option("rounds", ROUNDS);
    for (unsigned long i = 0; !probe_failed && (i < rounds || changes < 2 * rounds); i++) {
        EXPECT(tl_ftrace_register(&all) == TL_OK);
        thread_yield();
        EXPECT(tl_ftrace_unregister(&all) == TL_OK);
    }
    quit = true;
    for (unsigned i = 0; i < count; i++)
        thread_wait(threads[i]);
}

static const char *all_rooms_change_the_same_function(void)
{
    static struct tl_ftrace_ops stays = {.entered = counts_entry, .flags = TL_FTRACE_REGS, .data = (void *)&entries};
    struct probe_told told = {0};
    struct tl_probe probe = {.before = probe_count_before, .after = probe_count_after, .data = &told};
    uintptr_t site = tl_ftrace_site_of((uintptr_t)mixed_prey);
    if (!site || tl_probe_register(&probe) == TL_BAD_ARGUMENT)
        return NULL; /* the build has left a room out */
    probe_failed = NULL;
    calls = changes = entries = others = 0;
    probe.address = body = site + 5;
    EXPECT(tl_probe_register(&probe) == TL_OK);
    EXPECT(tl_ftrace_choose_address(&stays, TL_FTRACE_FILTER, site, TL_FTRACE_REPLACE) == TL_OK);
    EXPECT(tl_ftrace_register(&stays) == TL_OK);
    change_all();
    EXPECT(tl_ftrace_unregister(&stays) == TL_OK && tl_probe_unregister(&probe) == TL_OK);
    console_print("  %u calls, told %u, %u and %u; %u changes besides; %u other calls\n", calls, entries, told.before,
                  told.after, changes, others);
    EXPECT(entries == calls && told.before == calls && told.after == calls && probe.missed == 0);
    EXPECT(calls > 0 && changes > 0 && others > 0 && mixed_prey(0) == 1);
    return probe_failed;
}
KERNEL_TEST(all_rooms_change_the_same_function);
