/* SPDX-License-Identifier: MIT
 *
 * Tests of return probes in ring 0: exact and bounded; several on one function; what a handler sees of the stack.
 */
#include <core/exit.h>
#include <kernel/backtrace.h>
#include <kernel/probe_prey.h>
#include <kernel/symbols.h>

PREY static unsigned probe_prey_deep(unsigned n)
{
    unsigned below = n ? probe_prey_deep(n - 1) : 0;
    OPAQUE;
    return below + 1;
}

static bool wants_all(struct tl_return_probe *probe, struct tl_regs *regs)
{
    (void)regs;
    add_one(&((struct probe_told *)probe->data)->before);
    return true;
}

static void adds_ten(struct tl_return_probe *probe, const struct tl_ftrace_call *call, uintptr_t *value)
{
    EXPECT(call->function == probe->probe.address && call->returns_to != 0);
    add_one(&((struct probe_told *)probe->data)->after);
    value[0] += 10;
}

static const char *return_probes_are_bounded_and_exact(void)
{
    probe_failed = NULL;
    uintptr_t const places[] = {(uintptr_t)probe_prey_jump, (uintptr_t)probe_prey_deep};
    for (unsigned i = 0; i < 4; i++) {
        struct probe_told told = {0};
        struct tl_return_probe probe = {.entered = wants_all, .returned = adds_ten, .limit = 4, .data = &told};
        probe.probe.address = places[i % 2];
        probe.probe.flags = i < 2 ? 0 : TL_PROBE_NO_JUMP;
        EXPECT(tl_return_probe_register(&probe) == TL_OK);
        if (i % 2 == 0) {
            EXPECT(probe_prey_jump() == 0x33 + 10 && probe_prey_jump() == 0x33 + 10);
            EXPECT(told.before == 2 && told.after == 2 && probe.probe.missed == 0);
        } else {
            EXPECT(probe_prey_deep(3) == 4 + 4 * 10 && probe.probe.missed == 0);
            EXPECT(probe_prey_deep(6) == 7 + 4 * 10 && probe.probe.missed == 3 && told.before == 8 && told.after == 8);
        }
        EXPECT(tl_return_probe_unregister(&probe) == TL_OK);
        EXPECT(tl_return_probe_unregister(&probe) == TL_BAD_ARGUMENT);
        EXPECT(probe_prey_jump() == 0x33 && probe_prey_deep(3) == 4);
        probe.probe.address = PREY_JUMP_ADD;
        EXPECT(tl_return_probe_register(&probe) == TL_BAD_ARGUMENT);
    }
    return probe_failed;
}
KERNEL_TEST(return_probes_are_bounded_and_exact);

/* ---- several, and a look back ---- */

enum { LOOK_BACK = 8 };

static struct {
    struct tl_return_probe *told[4];
    unsigned count;
    bool sees_caller, sees_trampoline;
} order;

PREY static unsigned calls_deep(void)
{
    unsigned depth = probe_prey_deep(0);
    OPAQUE;
    return depth;
}

static void notes_order(struct tl_return_probe *probe, const struct tl_ftrace_call *call, uintptr_t *value)
{
    uintptr_t callers[LOOK_BACK];
    struct symbol symbol;
    bool sees = false;
    (void)call, (void)value;
    if (order.count < 4)
        order.told[order.count++] = probe;
    size_t count = backtrace((uintptr_t)__builtin_frame_address(0), callers, LOOK_BACK);
    for (size_t i = 0; i < count; i++) {
        bool known = symbol_of(callers[i] - 1, &symbol);
        sees |= known && symbol.address == (uintptr_t)calls_deep;
        order.sees_trampoline |= callers[i] == (uintptr_t)tl_exit_trampoline;
    }
    order.sees_caller &= sees;
}

/* The last one to come is the first to be told; each finds who really called, in the place of the trampoline. */
static const char *a_return_handler_sees_who_is_returned_to(void)
{
    struct tl_return_probe probes[2];
    probe_failed = NULL;
    order.count = 0;
    order.sees_caller = true;
    order.sees_trampoline = false;
    for (unsigned i = 0; i < 2; i++) {
        probes[i] = (struct tl_return_probe){.returned = notes_order, .limit = 4};
        probes[i].probe.address = (uintptr_t)probe_prey_deep;
        EXPECT(tl_return_probe_register(&probes[i]) == TL_OK);
    }
    EXPECT(calls_deep() == 1 && order.count == 2 && order.told[0] == &probes[1] && order.told[1] == &probes[0]);
    EXPECT(order.sees_caller && !order.sees_trampoline);
    for (unsigned i = 0; i < 2; i++)
        EXPECT(tl_return_probe_unregister(&probes[i]) == TL_OK);
    EXPECT(calls_deep() == 1 && order.count == 2);
    return probe_failed;
}
KERNEL_TEST(a_return_handler_sees_who_is_returned_to);
