/* SPDX-License-Identifier: MIT
 *
 * The frame contract, tried at every boot: an int3 at each alignment of the stack, with known registers; a notifier
 * sees them all, emulates a call of a function, and everything is as it was afterwards. Nothing here knows how the port
 * keeps the contract. And a test that counts what the ways in and out take (docs/frames.md).
 */
#include <core/emulate.h>
#include <kernel/frame_probe.h>
#include <kernel/frame_test.h>
#include <kernel/panic.h>
#include <kernel/test.h>
#include <trapline/notify.h>
#include <trapline/port.h>

enum { CARRY = 0x1, DIRECTION = 0x400, ALIGNMENTS = 64, CALLS_MAX = 2 };

uintptr_t frame_probe_kept, frame_probe_before[TL_ARCH_GPRS], frame_probe_after[TL_ARCH_GPRS];
uintptr_t frame_probe_flags, frame_probe_return;

static unsigned seen, calls;
static bool counting;

/* At once: what follows would run on registers, or a stack, that are not what they should be. */
static void expect(bool condition, const char *what)
{
    if (!condition)
        panic(what, NULL);
}

static bool notify(struct tl_notifier *self, const struct tl_notification *what)
{
    struct tl_regs *regs = *what->regs;
    (void)self;
    if (regs->ip != (uintptr_t)frame_probe_int3 + 1)
        return false;
    seen++;
    if (counting) {
        for (unsigned i = 0; i < calls; i++) /* each a call of a ret; the first comes back */
            tli_emulate_call(what->regs, i ? (uintptr_t)frame_probe_ret : (uintptr_t)frame_probe_int3 + 1,
                             (uintptr_t)frame_probe_ret);
        return true;
    }
    for (unsigned i = 0; i < TL_ARCH_GPRS; i++)
        expect(regs->gpr[i] == frame_probe_before[i], "a register is not what it was when the trap came");
    expect((regs->flags & (CARRY | DIRECTION)) == (CARRY | DIRECTION), "the flags are not those of the trap");
    /* twice: the second call returns to the first one's target, which returns behind the int3 */
    if (calls == CALLS_MAX)
        tl_port_push(what->regs, (uintptr_t)frame_probe_int3 + 1);
    tli_emulate_call(what->regs, calls == CALLS_MAX ? (uintptr_t)frame_probe_called : (uintptr_t)frame_probe_int3 + 1,
                     (uintptr_t)frame_probe_called);
    return true;
}

static void check_stack(void)
{
    const volatile uintptr_t *canary = (const volatile uintptr_t *)frame_probe_before[TL_REG_SP];
    for (unsigned i = 0; i < FRAME_PROBE_CANARIES; i++)
        expect(canary[i] == FRAME_PROBE_CANARY, "a word of the interrupted stack has changed");
}

void frame_test(void)
{
    static struct tl_notifier notifier = {notify, 0x7fffffff};
    for (unsigned i = 0; i < TL_ARCH_GPRS; i++)
        frame_probe_before[i] = 0xa0 + i;
    if (tl_notifier_register(&notifier) != TL_OK)
        panic("the frame test cannot register", NULL);
    for (calls = 1; calls <= CALLS_MAX; calls++)
        for (uintptr_t down = 0; down < ALIGNMENTS; down++) {
            frame_probe_return = 0;
            frame_probe(down);
            expect(frame_probe_return == (uintptr_t)frame_probe_int3 + 1, "the call did not return behind the int3");
            expect((frame_probe_flags & (CARRY | DIRECTION)) == (CARRY | DIRECTION), "the flags are not kept");
            for (unsigned i = 0; i < TL_ARCH_GPRS; i++)
                expect(frame_probe_after[i] == frame_probe_before[i], "a register is not kept");
            check_stack();
        }
    expect(seen == CALLS_MAX * ALIGNMENTS, "an int3 was not seen");
    tl_notifier_unregister(&notifier);
}

/* Instructions of frame_probe() with an int3 that does so many pushes: true counts where the clock counts instructions,
 * as QEMU's does with -icount shift=0. */
static unsigned long cost(unsigned pushes)
{
    enum { ROUNDS = 64 };
    calls = pushes;
    uint64_t state = tl_port_interrupts_off(), before = tl_port_clock();
    for (unsigned i = 0; i < ROUNDS; i++)
        frame_probe(0);
    uint64_t after = tl_port_clock();
    tl_port_interrupts_restore(state);
    return (unsigned long)(after - before) / ROUNDS;
}

static const char *frame_cost(void)
{
    static struct tl_notifier notifier = {notify, 0x7fffffff};
    TEST_CHECK(tl_notifier_register(&notifier) == TL_OK);
    counting = true;
    unsigned before = seen;
    unsigned long none = cost(0), one = cost(1), two = cost(2);
    counting = false;
    tl_notifier_unregister(&notifier);
    console_print("  instructions: %lu without a push, %lu with one, %lu with two\n", none, one, two);
    TEST_CHECK(seen == before + 3 * 64);
    return NULL;
}
KERNEL_TEST(frame_cost);
