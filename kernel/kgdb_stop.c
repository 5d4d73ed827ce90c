/* SPDX-License-Identifier: MIT
 *
 * Holding the CPUs while gdb looks, and letting them go. One CPU, the talker, has the conversation; the others are
 * called in by an NMI, so that one with its interrupts off comes, too, and wait in hold(). Called from traps; see
 * kgdb.h.
 *
 * A CPU's seat. All accesses are sequentially consistent: a stop takes milliseconds, and one order for all is the
 * simplest to be sure of.
 *   wanted  set by the talker, cleared by the CPU when it holds
 *   held    set by the CPU, cleared by the talker to let it go: from then on it may not be looked at
 *   inside  set and cleared by the CPU: an NMI that finds it set is swallowed, the CPU looks at wanted by itself
 */
#include <core/section.h>
#include <kernel/kgdb.h>
#include <kernel/kgdb_serial.h>
#include <kernel/kgdb_step.h>
#include <kernel/kgdb_target.h>
#include <kernel/smp.h>
#include <ptregs.h>
#include <stdatomic.h>

enum { SIGINT = 2, SIGTRAP = 5, SIGABRT = 6, NOBODY = -1 };
enum { ROUND_UP_SPINS = 200 * 1000 * 1000 };

static struct seat {
    struct pt_regs *regs; /* NULL: it runs */
    atomic_bool wanted, held, inside;
    struct kgdb_step step;
    volatile unsigned holds; /* so often; counted by the CPU, in an NMI mostly */
} seats[CPU_MAX];
static atomic_int talker = NOBODY;
static bool there; /* a serial port */

unsigned kgdb_cpu_count(void)
{
    return cpu_count();
}

struct pt_regs *kgdb_cpu_regs(unsigned cpu)
{
    return seats[cpu].regs;
}

bool kgdb_begin(void)
{
    there = kgdb_serial_begin();
    return there;
}

static void wait_while_held(struct seat *me)
{
    while (me->held)
        __asm__ volatile("pause");
}

static void hold(struct seat *me)
{
    me->held = true; /* first: the talker never finds a CPU neither wanted nor held */
    me->wanted = false;
    wait_while_held(me);
    me->holds++;
}

/* Every other CPU is held when it returns, or is known not to answer. */
static void round_up(unsigned self)
{
    for (unsigned i = 0; i < cpu_count(); i++)
        if (i != self && !seats[i].held) {
            seats[i].wanted = true;
            cpu_send_nmi(i);
        }
    unsigned spins = 0;
    for (unsigned i = 0; i < cpu_count(); i++)
        while (i != self && !seats[i].held && spins++ < ROUND_UP_SPINS)
            __asm__ volatile("pause");
}

/* As gdb said. The talker itself goes when this returns. */
static void let_go(unsigned self, const enum kgdb_action *actions)
{
    bool stay = actions[self] == KGDB_HOLD;
    for (unsigned i = 0; i < cpu_count(); i++)
        if (actions[i] == KGDB_STEP && seats[i].regs)
            kgdb_step_begin(&seats[i].step, seats[i].regs);
    seats[self].held = stay;
    for (unsigned i = 0; i < cpu_count(); i++)
        if (i != self && actions[i] != KGDB_HOLD)
            seats[i].held = false;
    talker = NOBODY; /* last: who wants to talk meanwhile waits for it, and then finds all flags as they shall be */
    if (stay)
        wait_while_held(&seats[self]);
}

/* True if one of the CPUs to step has been stepped already: the report says which. */
static bool step_at_once(enum kgdb_action *actions, struct kgdb_report *report)
{
    for (unsigned i = 0; i < cpu_count(); i++)
        if (actions[i] == KGDB_STEP && seats[i].regs && kgdb_step_halt(seats[i].regs)) {
            *report = (struct kgdb_report){i, SIGTRAP, ""};
            return true;
        }
    return false;
}

static void enter(struct seat *me, struct pt_regs *regs)
{
    me->inside = true;
    me->regs = regs;
    kgdb_watch_off();
    kgdb_step_end(&me->step, regs);
}

static void leave(struct seat *me)
{
    struct pt_regs *regs = me->regs;
    for (;;) {
        kgdb_watch_on();
        me->regs = NULL;
        me->inside = false;
        if (!me->wanted)
            break;
        enter(me, regs);
        hold(me);
    }
}

/* Tells gdb and returns when this CPU may run. If another CPU talks it is held instead, or has been since its holds
 * were counted, and what happened to it is forgotten: gdb may have taken the breakpoint back, or may have gone. A
 * breakpoint that is still there is run into again, for a step gdb has the CPU's registers. */
static void stop(struct pt_regs *regs, unsigned signal, const char *reason, unsigned holds)
{
    unsigned self = cpu_id();
    struct seat *me = &seats[self];
    enter(me, regs); /* from here on it is held below only */
    while (me->holds == holds) {
        int nobody = NOBODY;
        if (atomic_compare_exchange_strong(&talker, &nobody, (int)self)) {
            enum kgdb_action actions[CPU_MAX];
            struct kgdb_report report = {self, signal, reason};
            round_up(self);
            do
                kgdb_talk(&report, actions);
            while (step_at_once(actions, &report));
            let_go(self, actions);
            break;
        }
        if (me->wanted) {
            hold(me);
            break;
        }
        __asm__ volatile("pause");
    }
    leave(me);
}

bool kgdb_nmi(struct pt_regs *regs)
{
    struct seat *me = &seats[cpu_id()];
    if (!me->wanted)
        return false;
    /* In a trap within a step, most likely the step's own end: it comes to stop() by itself. */
    if (me->inside || (me->step.going && !kgdb_step_is_of(&me->step, regs)))
        return true;
    enter(me, regs);
    hold(me);
    leave(me);
    return true;
}

TLI_TRAP bool kgdb_breakpoint_at(uintptr_t address)
{
    return kgdb_break_at(address) == KGDB_BREAK_HIT;
}

bool kgdb_int3(struct pt_regs *regs)
{
    uintptr_t address = regs->regs.ip - 1;
    unsigned holds = seats[cpu_id()].holds;
    switch (kgdb_break_at(address)) {
    case KGDB_BREAK_HIT:
        regs->regs.ip = address;
        if (seats[cpu_id()].inside) { /* in what the debugger itself calls */
            kgdb_break_clear(address);
            return true;
        }
        stop(regs, SIGTRAP, "swbreak:;", holds);
        return true;
    case KGDB_BREAK_LATE:
        regs->regs.ip = address;
        kgdb_break_settle(); /* it may stand there still */
        return true;
    default:
        return false;
    }
}

void kgdb_emulated(struct pt_regs *regs)
{
    struct seat *me = &seats[cpu_id()];
    unsigned holds = me->holds;
    if (kgdb_step_emulated(&me->step, regs))
        stop(regs, SIGTRAP, "", holds);
}

bool kgdb_debug(struct pt_regs *regs)
{
    struct kgdb_step *step = &seats[cpu_id()].step;
    unsigned holds = seats[cpu_id()].holds;
    bool late;
    const char *watched = kgdb_watch_hit(&late);
    if (late) /* this CPU was held between the hit and here, and gdb has taken the breakpoint back meanwhile */
        return true;
    if (!step->going && !watched)
        return false;
    if (watched || !kgdb_step_goes_on(step, regs))
        stop(regs, SIGTRAP, watched ? watched : "", holds);
    return true;
}

void kgdb_poll(struct pt_regs *regs)
{
    if (!there || cpu_id() != 0 || talker != NOBODY)
        return;
    kgdb_break_settle();
    while (kgdb_serial_ready()) {
        uint8_t byte = kgdb_serial_get();
        if (byte == '$') { /* a gdb that begins: it takes for granted that the kernel stands still */
            kgdb_serial_unget(byte);
            kgdb_forget();
        } else if (byte != 3)
            continue;
        stop(regs, SIGINT, "", seats[cpu_id()].holds);
        return;
    }
}

void kgdb_panic(struct pt_regs *regs)
{
    if (kgdb_attached())
        stop(regs, SIGABRT, "", seats[cpu_id()].holds);
}
