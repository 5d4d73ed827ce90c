/* SPDX-License-Identifier: MIT
 *
 * Changing how threads are scheduled, and changing it back. See hurry.h.
 */
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <tracer/hurry.h>
#include <unistd.h>

#define NICE_FIRST (-10) /* -20 loses no fewer */
#define SLICE_NS 100000  /* the least there is */
#define RESET_ON_FORK 1  /* SCHED_FLAG_RESET_ON_FORK: the agent's thread is an ordinary one */

static bool get(pid_t tid, struct tl_scheduling *scheduling)
{
    memset(scheduling, 0, sizeof(*scheduling));
    return syscall(SYS_sched_getattr, tid, scheduling, sizeof(*scheduling), 0) == 0;
}

static bool set(pid_t tid, struct tl_scheduling scheduling)
{
    return syscall(SYS_sched_setattr, tid, &scheduling, 0) == 0;
}

/* A time slice of the thread's own (sched(7), Linux 6.12) is named 0 where it is the usual one. */
static void forget_slice(struct tl_scheduling *scheduling, uint64_t usual_ns)
{
    if (scheduling->runtime == usual_ns)
        scheduling->runtime = 0;
}

/* A real-time thread is let in at once when it wakes up, and that it does at each of its stops. Where that is not
 * permitted, one with a short slice is let in soon. */
static bool prefer(pid_t tid, const struct tl_scheduling *before, uint32_t priority)
{
    struct tl_scheduling now = *before;
    now.policy = SCHED_RR;
    now.priority = priority;
    now.flags |= RESET_ON_FORK;
    now.runtime = 0;
    if (set(tid, now))
        return true;
    now = *before;
    now.runtime = SLICE_NS;
    return set(tid, now);
}

void tl_hurry_begin(struct tl_hurry *hurry, pid_t tid)
{
    memset(hurry, 0, sizeof(*hurry));
    hurry->held.tid = tid;
    if (!get(0, &hurry->own.before) || hurry->own.before.policy != SCHED_OTHER)
        return;
    uint64_t usual_ns = hurry->own.before.runtime;
    if (get(tid, &hurry->held.before) && hurry->held.before.policy == SCHED_OTHER) {
        forget_slice(&hurry->held.before, usual_ns);
        hurry->held.changed = prefer(tid, &hurry->held.before, 1);
    }
    forget_slice(&hurry->own.before, usual_ns);
    hurry->own.changed = prefer(0, &hurry->own.before, 2);
}

void tl_hurry_end(struct tl_hurry *hurry)
{
    if (hurry->held.changed)
        set(hurry->held.tid, hurry->held.before);
    if (hurry->own.changed)
        set(0, hurry->own.before);
    hurry->held.changed = hurry->own.changed = false;
}

int tl_hurry_drain_begin(void)
{
    int before = getpriority(PRIO_PROCESS, 0); /* of this thread alone; not permitted: it stays */
    (void)setpriority(PRIO_PROCESS, 0, NICE_FIRST);
    return before;
}

void tl_hurry_drain_end(int before)
{
    (void)setpriority(PRIO_PROCESS, 0, before);
}
