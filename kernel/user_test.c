/* SPDX-License-Identifier: MIT
 *
 * Tests of traps from ring 3: an int3 there is the task's SIGTRAP, offered to no room but the notifiers, and the kernel
 * is afterwards as it was.
 */
#include <kernel/smp.h>
#include <kernel/test.h>
#include <kernel/user.h>
#include <kernel/user_prey.h>
#include <ptregs.h>
#include <trapline/notify.h>

enum { RUNS = 20, TURNS = 20, FLAG_INTERRUPT = 0x200 };

enum { SPINS = 20 * 1000 * 1000 };

static unsigned told, told_wrong, ticks_seen;

static bool interrupts_on(void)
{
    uintptr_t flags;
    __asm__ volatile("pushf; pop %0" : "=r"(flags));
    return flags & FLAG_INTERRUPT;
}

static bool is_told(struct tl_notifier *self, const struct tl_notification *what)
{
    const struct pt_regs *regs = (const struct pt_regs *)*what->regs;
    (void)self;
    told++;
    told_wrong += what->event != TL_NOTIFY_INT3 || !user_mode(regs) || !(regs->regs.flags & FLAG_INTERRUPT);
    told_wrong += interrupts_on(); /* nobody may be scheduled yet */
    return false;
}

/* While the signal is delivered the timer comes. Once a run: it takes up to 10 ms. */
static void waits_for_a_tick(void)
{
    uint32_t before = cpus[cpu_id()].ticks;
    user_signal_hook = NULL;
    for (unsigned i = 0; i < SPINS && cpus[cpu_id()].ticks == before; i++)
        __asm__ volatile("pause");
    ticks_seen += interrupts_on() && cpus[cpu_id()].ticks != before;
}

static const char *int3_of_ring_3_is_its_sigtrap(void)
{
    static struct tl_notifier notifier = {is_told, 0};
    struct thread *thread = thread_current();
    unsigned preempt_off = thread->preempt_off, rcu_nesting = cpus[thread->cpu].rcu_nesting;
    uint8_t context = thread->context;
    told = told_wrong = ticks_seen = 0;
    TEST_CHECK(tl_notifier_register(&notifier) == TL_OK);
    int status = USER_PREY_SIGNALS;
    for (unsigned i = 0; i < RUNS && status == USER_PREY_SIGNALS && ticks_seen == i; i++) {
        user_signal_hook = waits_for_a_tick;
        status = user_run(user_prey, (size_t)(user_prey_end - user_prey));
    }
    user_signal_hook = waits_for_a_tick;
    int died = user_run(user_prey_dies, (size_t)(user_prey_dies_end - user_prey_dies));
    tl_notifier_unregister(&notifier);
    TEST_CHECK(status == USER_PREY_SIGNALS);
    TEST_CHECK(died == -USER_PREY_SIGTRAP);
    TEST_CHECK(told == RUNS * USER_PREY_SIGNALS + 1 && told_wrong == 0);
    TEST_CHECK(ticks_seen == RUNS + 1 && interrupts_on());
    TEST_CHECK(thread->preempt_off == preempt_off && thread->context == context);
    TEST_CHECK(cpus[thread->cpu].rcu_nesting == rcu_nesting);
    return NULL;
}
KERNEL_TEST(int3_of_ring_3_is_its_sigtrap);

/* ---- while others want the CPU ---- */

static _Atomic bool quit;
static _Atomic unsigned turns;

static void takes_turns(void *unused)
{
    (void)unused;
    while (!quit) {
        atomic_fetch_add_explicit(&turns, 1, memory_order_relaxed); /* relaxed: a counter */
        thread_yield();
    }
}

/* What lies on the task's kernel stack below its traps stays what it is, whoever has the CPU in between. */
static const char *a_task_of_ring_3_is_preempted(void)
{
    int status = USER_PREY_SIGNALS;
    unsigned runs = 0;
    quit = false;
    turns = 0;
    struct thread *other = thread_start_on(cpu_id(), "turns", takes_turns, NULL);
    for (; status == USER_PREY_SIGNALS && (turns < TURNS || runs < RUNS); runs++)
        status = user_run(user_prey, (size_t)(user_prey_end - user_prey));
    quit = true;
    thread_wait(other);
    console_print("  %u runs, %u turns of another thread\n", runs, turns);
    TEST_CHECK(status == USER_PREY_SIGNALS);
    return NULL;
}
KERNEL_TEST(a_task_of_ring_3_is_preempted);
