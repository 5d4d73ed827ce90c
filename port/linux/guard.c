/* SPDX-License-Identifier: MIT
 *
 * Guarded system calls: a thread that blocks SIGTRAP dies at the next int3, and a program that installs its own SIGTRAP
 * handler would take ours away. So rt_sigaction and rt_sigprocmask pass here first; rt_sigpending and execve, so that
 * it is not noticed; prctl and seccomp, as a thread under a filter may make no call that is not its own. Calls that
 * wait under a mask are in wait.c, munmap is in unmap.c. Runs in the traced thread, from a guard's stub, with any
 * register contents; it must see the program's memory as the kernel would (a bad pointer is the kernel's to refuse).
 */
#include <core/ring.h>
#include <port/linux/linux.h>
#include <syscall.h>
#include <trapline/port.h>

struct vector {
    uintptr_t base;
    size_t size;
};

static bool copy_memory(long how, uintptr_t here, uintptr_t there, size_t size)
{
    struct vector local = {here, size}, remote = {there, size};
    return tl_syscall6(how, tl_syscall0(TL_SYS_GETPID), (long)&local, 1, (long)&remote, 1, 0) == (long)size;
}

bool tli_guard_read(void *to, uintptr_t from, size_t size)
{
    return copy_memory(TL_SYS_PROCESS_VM_READV, (uintptr_t)to, from, size);
}

static bool write_memory(uintptr_t to, const void *from, size_t size)
{
    return copy_memory(TL_SYS_PROCESS_VM_WRITEV, (uintptr_t)from, to, size);
}

/* A child that shares our memory until it executes (posix_spawn, vfork) resets signals for itself: its wishes are not
 * the program's. A forked child has a memory of its own. */
bool tli_guard_borrowed_memory(void)
{
    return tli_ring.threads->alive && (uint32_t)tl_syscall0(TL_SYS_GETPID) != tli_process_id;
}

/* sigaction(SIGTRAP or SIGILL): what the program wants is kept and obeyed (signal.c), what is installed stays ours. */
static bool guard_own_action(struct tli_guard_call *call)
{
    struct tli_sigaction *program = &tli_signal_program[tli_signal_index((int)call->argument[0])];
    struct tli_sigaction wanted, before = *program;
    uintptr_t set = call->argument[1], get = call->argument[2];
    if (set && !tli_guard_read(&wanted, set, sizeof(wanted)))
        return false;
    if (get && !write_memory(get, &before, sizeof(before)))
        return false;
    if (set && !tli_guard_borrowed_memory())
        *program = wanted;
    call->ax = 0;
    return true;
}

/* sigaction of another signal: its handler must not run with our signals blocked. */
static bool guard_action(struct tli_guard_call *call)
{
    struct tli_sigaction wanted;
    if (call->argument[3] != sizeof(wanted.mask))
        return false;
    if ((int)call->argument[0] == TLI_SIGTRAP || (int)call->argument[0] == TLI_SIGILL)
        return guard_own_action(call);
    if (!call->argument[1] || !tli_guard_read(&wanted, call->argument[1], sizeof(wanted)) ||
        !(wanted.mask & TLI_OUR_SIGNALS))
        return false;
    wanted.mask &= ~TLI_OUR_SIGNALS;
    call->ax =
        (uint64_t)tl_syscall4(TL_SYS_RT_SIGACTION, call->argument[0], &wanted, call->argument[2], call->argument[3]);
    return true;
}

uint64_t *tli_guard_mask(void)
{
    static uint64_t
        nobody; /* read as "nothing blocked" by threads without a slot; what they write there says nothing */
    uint64_t *mask = tli_ring_kept();
    if (!mask) {
        nobody = 0;
        mask = &nobody;
    }
    return mask;
}

/* Sends a signal to this thread that was held back. */
void tli_guard_send_held(uint64_t *mask)
{
    uint64_t due = *mask >> 32 & ~*mask & TLI_OUR_SIGNALS;
    *mask &= ~TLI_MASK_PENDING(due);
    for (int signal = TLI_SIGILL; signal <= TLI_SIGTRAP; signal++)
        if (due & TLI_SIGNAL_BIT(signal))
            tl_syscall3(TL_SYS_TGKILL, tl_syscall0(TL_SYS_GETPID), tl_syscall0(TL_SYS_GETTID), signal);
}

/* sigprocmask: ours stay unblocked in the kernel; what the program wants of them is kept, obeyed and shown. */
static bool guard_mask(struct tli_guard_call *call)
{
    uint64_t wanted = 0, shown = 0, *mask = tli_guard_mask();
    uintptr_t set = call->argument[1], get = call->argument[2];
    uint64_t before = *mask & TLI_OUR_SIGNALS;
    if (call->argument[3] != sizeof(wanted) || (set && !tli_guard_read(&wanted, set, sizeof(wanted))))
        return false;
    if (!before && !(wanted & TLI_OUR_SIGNALS))
        return false;
    uint64_t asked = wanted & ~TLI_OUR_SIGNALS, ours = wanted & TLI_OUR_SIGNALS;
    long result = tl_syscall4(TL_SYS_RT_SIGPROCMASK, call->argument[0], set ? &asked : 0, &shown, sizeof(asked));
    call->ax = (uint64_t)result;
    if (result != 0)
        return true;
    shown |= before;
    if (set) {
        uint64_t now = call->argument[0] == TLI_SIG_BLOCK     ? before | ours
                       : call->argument[0] == TLI_SIG_SETMASK ? ours
                                                              : before & ~ours;
        *mask = (*mask & ~(uint64_t)TLI_OUR_SIGNALS) | now;
    }
    if (get && !write_memory(get, &shown, sizeof(shown)))
        call->ax = (uint64_t) - (long)TLI_EFAULT;
    tli_guard_send_held(mask);
    return true;
}

/* sigpending: shows what is held back, too. */
static bool guard_pending(struct tli_guard_call *call)
{
    uint64_t shown = 0, held = *tli_guard_mask() >> 32 & TLI_OUR_SIGNALS;
    if (!held || call->argument[1] != sizeof(shown))
        return false;
    long result = tl_syscall2(TL_SYS_RT_SIGPENDING, &shown, sizeof(shown));
    shown |= held;
    call->ax =
        result == 0 && write_memory(call->argument[0], &shown, sizeof(shown)) ? 0 : (uint64_t) - (long)TLI_EFAULT;
    return true;
}

/* execve, execveat: the new program inherits the mask that the old one believed in. Nothing of ours traps between the
 * calls. */
static bool guard_execute(struct tli_guard_call *call)
{
    uint64_t ours = *tli_guard_mask() & TLI_OUR_SIGNALS;
    const uint64_t *argument = call->argument;
    if (!ours)
        return false;
    tl_syscall4(TL_SYS_RT_SIGPROCMASK, TLI_SIG_BLOCK, &ours, 0, sizeof(ours));
    call->ax = (uint64_t)tl_syscall6((long)call->ax, (long)argument[0], (long)argument[1], (long)argument[2],
                                     (long)argument[3], (long)argument[4], 0);
    tl_syscall4(TL_SYS_RT_SIGPROCMASK, TLI_SIG_UNBLOCK, &ours, 0, sizeof(ours));
    return true;
}

/* A filter on all threads would be on the agent's, too: it leaves first, and takes everything out with it. */
static void send_agent_away(void)
{
    struct tl_control *control = tli_ring.control;
    if (!tli_ring.threads->alive || atomic_load_explicit(&tli_ring.session, memory_order_relaxed) == 0)
        return; /* relaxed: a hint; the agent that is about to leave does so in any case */
    /* [W4] release: pairs with the acquire in agent/main.c; the tracer reads it when the agent is gone. */
    atomic_store_explicit((_Atomic uint32_t *)&control->confined, 1, memory_order_release);
    uint32_t agent = control->agent_tid;
    while (tl_port_thread_exists(agent))
        tli_sleep(1000000);
}

/* A filter of system calls: from then on this thread may be killed for any call that is not the program's own. */
static bool guard_confine(struct tli_guard_call *call)
{
    enum { PR_SET_SECCOMP = 22, SECCOMP_SET_MODE_FILTER = 1, SECCOMP_FILTER_FLAG_TSYNC = 1 };
    const uint64_t *argument = call->argument;
    bool by_prctl = call->ax == TL_SYS_PRCTL;
    if (by_prctl ? argument[0] != PR_SET_SECCOMP : argument[0] > SECCOMP_SET_MODE_FILTER)
        return false;
    if (!by_prctl && argument[0] == SECCOMP_SET_MODE_FILTER && (argument[1] & SECCOMP_FILTER_FLAG_TSYNC)) {
        send_agent_away();
        return false;
    }
    uint64_t *kept = tli_guard_mask();
    long result = tl_syscall6((long)call->ax, (long)argument[0], (long)argument[1], (long)argument[2],
                              (long)argument[3], (long)argument[4], (long)argument[5]);
    call->ax = (uint64_t)result;
    if (result >= 0)
        *kept |= TLI_KEPT_QUIET;
    return true;
}

/* Called by tl_stub_guard. True: the call is done, its result in ax. */
bool tli_guard(struct tli_guard_call *call);
bool tli_guard(struct tli_guard_call *call)
{
    bool (*look)(struct tli_guard_call *);
    switch (call->ax) {
    case TL_SYS_MUNMAP:
        look = tli_guard_unmap;
        break;
    case TL_SYS_RT_SIGACTION:
        look = guard_action;
        break;
    case TL_SYS_RT_SIGPROCMASK:
        look = guard_mask;
        break;
    case TL_SYS_RT_SIGPENDING:
        look = guard_pending;
        break;
    case TL_SYS_PRCTL:
    case TL_SYS_SECCOMP:
        look = guard_confine;
        break;
    case TL_SYS_EXECVE:
    case TL_SYS_EXECVEAT:
        look = guard_execute;
        break;
    case TL_SYS_RT_SIGSUSPEND:
    case TL_SYS_PPOLL:
    case TL_SYS_PSELECT6:
    case TL_SYS_IO_PGETEVENTS:
    case TL_SYS_IO_URING_ENTER:
    case TL_SYS_EPOLL_PWAIT:
    case TL_SYS_EPOLL_PWAIT2:
        look = tli_guard_wait;
        break;
    default:
        return false;
    }
    return !(*tli_guard_mask() & TLI_KEPT_QUIET) && look(call);
}
