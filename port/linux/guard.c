/* SPDX-License-Identifier: MIT
 *
 * Guarded system calls: a thread that blocks SIGTRAP dies at the next int3, and a program that installs its own SIGTRAP handler
 * would take ours away. So rt_sigaction and rt_sigprocmask pass here first. Runs in the traced thread, from a
 * guard's stub, with any register contents; it must see the program's memory as the kernel would (a bad pointer is the kernel's to
 * refuse).
 */
#include <core/ring.h>
#include <port/linux/linux.h>
#include <syscall.h>

/* As pushed by tl_stub_guard. */
struct tli_guard_call {
    uint64_t ax;
    uint64_t argument[6]; /* di si dx r10 r8 r9 */
};

struct vector {
    uintptr_t base;
    size_t size;
};

/* Reads the program's memory without faulting. */
static bool read_memory(void *to, uintptr_t from, size_t size)
{
    struct vector local = {(uintptr_t)to, size}, remote = {from, size};
    return tl_syscall6(TL_SYS_PROCESS_VM_READV, tl_syscall0(TL_SYS_GETPID), (long)&local, 1, (long)&remote, 1, 0) ==
           (long)size;
}

static bool write_memory(uintptr_t to, const void *from, size_t size)
{
    struct vector local = {(uintptr_t)from, size}, remote = {to, size};
    return tl_syscall6(TL_SYS_PROCESS_VM_READV + 1, tl_syscall0(TL_SYS_GETPID), (long)&local, 1, (long)&remote, 1, 0) ==
           (long)size;
}

/* A child that shares our memory until it executes (posix_spawn, vfork) resets signals for itself: its wishes are not the
 * program's. A forked child has a memory of its own. */
static bool borrowed_memory(void)
{
    return tli_ring.threads->alive && (uint32_t)tl_syscall0(TL_SYS_GETPID) != tli_process_id;
}

/* sigaction(SIGTRAP or SIGILL): what the program wants is kept and obeyed (signal.c), what is installed stays ours. */
static bool guard_own_action(struct tli_guard_call *call)
{
    struct tli_sigaction *program = &tli_signal_program[tli_signal_index((int)call->argument[0])];
    struct tli_sigaction wanted, before = *program;
    uintptr_t set = call->argument[1], get = call->argument[2];
    if (set && !read_memory(&wanted, set, sizeof(wanted)))
        return false;
    if (get && !write_memory(get, &before, sizeof(before)))
        return false;
    if (set && !borrowed_memory())
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
    if (!call->argument[1] || !read_memory(&wanted, call->argument[1], sizeof(wanted)) ||
        !(wanted.mask & TLI_OUR_SIGNALS))
        return false;
    wanted.mask &= ~TLI_OUR_SIGNALS;
    call->ax = (uint64_t)tl_syscall4(TL_SYS_RT_SIGACTION, call->argument[0], &wanted, call->argument[2],
                                     call->argument[3]);
    return true;
}

static bool guard_mask(struct tli_guard_call *call)
{
    uint64_t wanted;
    bool blocks = call->argument[0] == TLI_SIG_BLOCK || call->argument[0] == TLI_SIG_SETMASK;
    if (!blocks || call->argument[3] != sizeof(wanted) || !call->argument[1] ||
        !read_memory(&wanted, call->argument[1], sizeof(wanted)) || !(wanted & TLI_OUR_SIGNALS))
        return false;
    wanted &= ~TLI_OUR_SIGNALS;
    call->ax =
        (uint64_t)tl_syscall4(TL_SYS_RT_SIGPROCMASK, call->argument[0], &wanted, call->argument[2], sizeof(wanted));
    return true;
}

/* Called by tl_stub_guard. True: the call is done, its result in ax. */
bool tli_guard(struct tli_guard_call *call);
bool tli_guard(struct tli_guard_call *call)
{
    switch (call->ax) {
    case TL_SYS_RT_SIGACTION:
        return guard_action(call);
    case TL_SYS_RT_SIGPROCMASK:
        return guard_mask(call);
    default:
        return false;
    }
}
