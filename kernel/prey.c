/* SPDX-License-Identifier: MIT
 *
 * Functions for the debugger's test to stop in, trace and probe, and the command that runs them. Nothing else uses
 * them.
 */
#include <kernel/console.h>
#include <kernel/shell.h>
#include <kernel/smp.h>
#include <kernel/thread.h>
#include <regs.h>
#include <trapline/notify.h>
#include <trapline/poke.h>

volatile unsigned long prey_calls[CPU_MAX];
volatile unsigned long prey_sum, prey_traps;
unsigned long prey_leaf(unsigned long a);
unsigned long prey(unsigned long a);
void prey_rest(void);
extern const uint8_t prey_nop[];

__attribute__((noinline)) unsigned long prey_leaf(unsigned long a)
{
    prey_sum += a;
    return prey_sum;
}

__attribute__((noinline)) unsigned long prey(unsigned long a)
{
    unsigned long sum = prey_leaf(a);
    prey_calls[cpu_id()]++;
    return sum + 1;
}

/* Called only on demand; an int3 may stand for its nop. */
__attribute__((noinline)) void prey_rest(void)
{
    prey_sum += 2;
    __asm__ volatile(".globl prey_nop\nprey_nop: nop" : : : "memory");
    prey_sum += 3;
}

static void prey_thread(void *unused)
{
    (void)unused;
    for (;;) {
        prey(1);
        thread_yield();
    }
}

/* The int3 means the nop that it has replaced: the registers are behind it already. */
static bool consume(struct tl_notifier *self, const struct tl_notification *what)
{
    (void)self;
    if (what->event != TL_NOTIFY_INT3 || (*what->regs)->ip != (uintptr_t)prey_nop + 1)
        return false;
    prey_traps++;
    return true;
}

static bool trap(bool on)
{
    static struct tl_notifier notifier = {.notify = consume};
    struct tl_poke poke = {.address = (uintptr_t)prey_nop, .what = on ? TL_POKE_INT3 : TL_POKE_BACK, .size = 1};
    poke.expected[0] = 0x90;
    if (on && tl_notifier_register(&notifier) != TL_OK)
        return false;
    return tl_poke(&poke, 1, NULL) == TL_OK && (on || tl_notifier_unregister(&notifier) == TL_OK);
}

static bool prey_command(size_t count, char **words)
{
    char what = count > 1 ? words[1][0] : 's';
    switch (what) {
    case 's':
        for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
            thread_start("prey", prey_thread, NULL);
        return true;
    case 'r':
        prey_rest();
        return true;
    case 'i':
    case 'n':
        return trap(what == 'i');
    default:
        console_print("%lu traps\n", prey_traps);
        return true;
    }
}
SHELL_COMMAND(prey,
              "start|rest|int3|nop|traps: prey() and prey_leaf() for ever on each CPU; prey_rest() once; its trap",
              prey_command);
