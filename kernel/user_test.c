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

enum { RUNS = 20, FLAG_INTERRUPT = 0x200 };

static unsigned told, told_wrong;

static bool is_told(struct tl_notifier *self, const struct tl_notification *what)
{
    const struct pt_regs *regs = (const struct pt_regs *)*what->regs;
    (void)self;
    told++;
    told_wrong += what->event != TL_NOTIFY_INT3 || !user_mode(regs) || !(regs->regs.flags & FLAG_INTERRUPT);
    return false;
}

static const char *int3_of_ring_3_is_its_sigtrap(void)
{
    static struct tl_notifier notifier = {is_told, 0};
    struct thread *thread = thread_current();
    unsigned preempt_off = thread->preempt_off, rcu_nesting = cpus[thread->cpu].rcu_nesting;
    uint8_t context = thread->context;
    told = told_wrong = 0;
    TEST_CHECK(tl_notifier_register(&notifier) == TL_OK);
    int status = USER_PREY_SIGNALS;
    for (unsigned i = 0; i < RUNS && status == USER_PREY_SIGNALS; i++)
        status = user_run(user_prey, (size_t)(user_prey_end - user_prey));
    int died = user_run(user_prey_dies, (size_t)(user_prey_dies_end - user_prey_dies));
    tl_notifier_unregister(&notifier);
    TEST_CHECK(status == USER_PREY_SIGNALS);
    TEST_CHECK(died == -USER_PREY_SIGTRAP);
    TEST_CHECK(told == RUNS * USER_PREY_SIGNALS + 1 && told_wrong == 0);
    TEST_CHECK(thread->preempt_off == preempt_off && thread->context == context);
    TEST_CHECK(cpus[thread->cpu].rcu_nesting == rcu_nesting);
    return NULL;
}
KERNEL_TEST(int3_of_ring_3_is_its_sigtrap);
