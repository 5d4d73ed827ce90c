/* SPDX-License-Identifier: MIT
 *
 * Holding a thread and running system calls in it. See remote.h.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <tracer/process.h>
#include <tracer/remote.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* A `syscall` instruction in executable memory of the target: in the vDSO if there is one. */
static uint64_t find_syscall(pid_t pid, int memory)
{
    struct tl_maps maps;
    uint64_t found = 0;
    if (!tl_maps_read(pid, &maps))
        return 0;
    for (int pass = 0; pass < 2 && !found; pass++) {
        for (size_t i = 0; i < maps.count && !found; i++) {
            const struct tl_mapping *mapping = &maps.entry[i];
            bool vdso = strcmp(mapping->path, "[vdso]") == 0;
            if (!mapping->executable || strcmp(mapping->path, "[vsyscall]") == 0 || vdso != (pass == 0))
                continue;
            size_t size = mapping->end - mapping->start;
            uint8_t *text = malloc(size);
            if (text && tl_memory_read(memory, mapping->start, text, size)) {
                const uint8_t *hit = memmem(text, size, "\x0f\x05", 2);
                found = hit ? mapping->start + (uint64_t)(hit - text) : 0;
            }
            free(text);
        }
    }
    tl_maps_free(&maps);
    return found;
}

/* System calls that fail with EINTR when their thread is stopped and let go, instead of being restarted by the kernel
 * (signal(7), "Interruption of system calls and library functions by stop signals"). */
static bool interrupted_by_stop(long number)
{
    switch (number) {
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case 441: /* epoll_pwait2 */
    case SYS_rt_sigtimedwait:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_msgrcv:
    case SYS_msgsnd:
    case SYS_io_getevents:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect:
    case SYS_read: /* of an inotify descriptor, or a socket with a timeout */
    case SYS_pause:
        return true;
    default:
        return false;
    }
}

/* How much it would disturb a thread to be stopped: less is better. */
static int disturbance(pid_t pid, pid_t tid)
{
    char path[96], text[64] = "";
    char state = tl_process_state(pid, tid);
    snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)pid, (int)tid);
    FILE *file = fopen(path, "re");
    if (file) {
        if (!fgets(text, sizeof(text), file))
            text[0] = 0;
        fclose(file);
    }
    if (state == 'R')
        return 0;
    if (state == 'D' || state == 'Z' || state == 'X' || state == 0)
        return 9;
    if (strncmp(text, "running", 7) == 0)
        return 1;
    return interrupted_by_stop(strtol(text, NULL, 10)) ? 3 : 2;
}

static pid_t choose_thread(pid_t pid)
{
    size_t count;
    pid_t *threads = tl_process_threads(pid, &count), best = pid;
    int least = 10;
    for (size_t i = 0; i < count && least > 0; i++) {
        int here = disturbance(pid, threads[i]);
        if (here < least) {
            least = here;
            best = threads[i];
        }
    }
    free(threads);
    return best;
}

/* Waits for the held thread's next stop. False: it has ended. */
static bool wait_stop(struct tl_hold *hold, int *status)
{
    pid_t got;
    do
        got = waitpid(hold->tid, status, __WALL);
    while (got < 0 && errno == EINTR);
    return got == hold->tid && WIFSTOPPED(*status);
}

/* True if a signal waits that the thread would take now: an EINTR is then none of our doing. */
static bool signal_pending(const struct tl_hold *hold)
{
    uint64_t blocked = (uint64_t)tl_process_number(hold->pid, hold->tid, "SigBlk", 16);
    uint64_t own = (uint64_t)tl_process_number(hold->pid, hold->tid, "SigPnd", 16);
    uint64_t shared = (uint64_t)tl_process_number(hold->pid, hold->tid, "ShdPnd", 16);
    return ((own | shared) & ~blocked) != 0;
}

static bool save(struct tl_hold *hold, char *reason, size_t size)
{
    struct user_regs_struct *registers = &hold->registers;
    if (ptrace(PTRACE_GETREGS, hold->tid, 0, registers) != 0 ||
        ptrace(PTRACE_GETSIGMASK, hold->tid, sizeof(hold->mask), &hold->mask) != 0) {
        snprintf(reason, size, "cannot attach to %d: its registers cannot be read (%s)", (int)hold->pid, strerror(errno));
        return false;
    }
    if (registers->cs == 0x23) {
        snprintf(reason, size, "cannot attach to %d: it runs in 32-bit mode; only x86-64 can be traced", (int)hold->pid);
        return false;
    }
    /* Stopped in a call that has turned our stop into EINTR: it is made again, as if nothing had been. */
    if ((long)registers->orig_rax >= 0 && (long)registers->rax == -EINTR &&
        interrupted_by_stop((long)registers->orig_rax) && !signal_pending(hold)) {
        registers->rax = registers->orig_rax;
        registers->orig_rax = (unsigned long long)-1;
        registers->rip -= 2;
    }
    uint64_t all = ~0ull;
    ptrace(PTRACE_SETSIGMASK, hold->tid, sizeof(all), &all);
    return true;
}

bool tl_hold_thread(struct tl_hold *hold, pid_t pid, pid_t tid, int memory, char *reason, size_t size)
{
    int status;
    *hold = (struct tl_hold){.pid = pid, .tid = tid, .memory = memory};
    hold->syscall_address = find_syscall(pid, memory);
    if (!hold->syscall_address) {
        snprintf(reason, size, "cannot attach to %d: no system call instruction found in it", (int)pid);
        return false;
    }
    if (ptrace(PTRACE_SEIZE, tid, 0, 0) != 0) {
        int64_t scope = -1;
        FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
        if (file) {
            if (fscanf(file, "%ld", &scope) != 1)
                scope = -1;
            fclose(file);
        }
        if (errno == EPERM && scope > 0)
            snprintf(reason, size,
                     "cannot attach to %d: ptrace is refused (kernel.yama.ptrace_scope is %d); run as root, or start the "
                     "program with 'trapline record'",
                     (int)pid, (int)scope);
        else if (errno == EPERM)
            snprintf(reason, size, "cannot attach to %d: ptrace is refused; run as its owner or as root", (int)pid);
        else
            snprintf(reason, size, "cannot attach to %d: %s", (int)pid, strerror(errno));
        return false;
    }
    hold->since_ns = now_ns();
    ptrace(PTRACE_INTERRUPT, tid, 0, 0);
    if (!wait_stop(hold, &status)) {
        snprintf(reason, size, "cannot attach to %d: it ended", (int)pid);
        return false;
    }
    /* A signal was about to be delivered: it is sent on, and we stop a moment later. */
    while (status >> 16 == 0 && WSTOPSIG(status) != SIGTRAP) {
        ptrace(PTRACE_CONT, tid, 0, WSTOPSIG(status));
        if (!wait_stop(hold, &status)) {
            snprintf(reason, size, "cannot attach to %d: it ended", (int)pid);
            return false;
        }
    }
    if (!save(hold, reason, size)) {
        ptrace(PTRACE_DETACH, tid, 0, 0);
        return false;
    }
    return true;
}

bool tl_hold_begin(struct tl_hold *hold, pid_t pid, int memory, char *reason, size_t size)
{
    return tl_hold_thread(hold, pid, choose_thread(pid), memory, reason, size);
}

bool tl_hold_adopt(struct tl_hold *hold, pid_t pid, int memory, char *reason, size_t size)
{
    *hold = (struct tl_hold){.pid = pid, .tid = pid, .memory = memory, .launched = true, .since_ns = now_ns()};
    hold->syscall_address = find_syscall(pid, memory);
    return hold->syscall_address && save(hold, reason, size);
}

/* Lets the thread run to its next SIGTRAP stop. With all signals blocked only a stop of the whole group can come
 * between. */
static bool run_to_trap(struct tl_hold *hold, enum __ptrace_request request)
{
    int status;
    for (;;) {
        if (ptrace(request, hold->tid, 0, 0) != 0 || !wait_stop(hold, &status))
            return false;
        if (WSTOPSIG(status) == SIGTRAP && status >> 16 == 0)
            return true;
        if (WSTOPSIG(status) == SIGSEGV || WSTOPSIG(status) == SIGBUS || WSTOPSIG(status) == SIGILL)
            return false;
    }
}

long tl_hold_syscall(struct tl_hold *hold, long number, long a, long b, long c, long d, long e, long f)
{
    struct user_regs_struct registers = hold->registers;
    registers.orig_rax = (unsigned long long)-1;
    registers.rax = (unsigned long long)number;
    registers.rdi = (unsigned long long)a;
    registers.rsi = (unsigned long long)b;
    registers.rdx = (unsigned long long)c;
    registers.r10 = (unsigned long long)d;
    registers.r8 = (unsigned long long)e;
    registers.r9 = (unsigned long long)f;
    registers.rip = hold->syscall_address;
    if (ptrace(PTRACE_SETREGS, hold->tid, 0, &registers) != 0 || !run_to_trap(hold, PTRACE_SINGLESTEP) ||
        ptrace(PTRACE_GETREGS, hold->tid, 0, &registers) != 0)
        return -ESRCH;
    return (long)registers.rax;
}

long tl_hold_call(struct tl_hold *hold, uint64_t ip, uint64_t rdi, uint64_t rsp)
{
    struct user_regs_struct registers = hold->registers;
    registers.orig_rax = (unsigned long long)-1;
    registers.rip = ip;
    registers.rdi = rdi;
    registers.rsp = rsp;
    registers.eflags &= ~0x400ull; /* direction */
    if (ptrace(PTRACE_SETREGS, hold->tid, 0, &registers) != 0 || !run_to_trap(hold, PTRACE_CONT) ||
        ptrace(PTRACE_GETREGS, hold->tid, 0, &registers) != 0)
        return -ESRCH;
    return (long)registers.rax;
}

void tl_hold_end(struct tl_hold *hold)
{
    ptrace(PTRACE_SETREGS, hold->tid, 0, &hold->registers);
    ptrace(PTRACE_SETSIGMASK, hold->tid, sizeof(hold->mask), &hold->mask);
    if (!hold->launched)
        ptrace(PTRACE_DETACH, hold->tid, 0, 0);
    hold->held_ns = now_ns() - hold->since_ns;
}

bool tl_hold_unblock(pid_t pid, uint32_t tid, char *reason, size_t size)
{
    struct tl_hold hold;
    int memory = tl_process_memory(pid);
    size_t count;
    pid_t *threads = tl_process_threads(pid, &count), outer = (pid_t)tid;
    for (size_t i = 0; i < count; i++)
        if (tl_process_number(pid, threads[i], "NSpid", 10) == (int64_t)tid)
            outer = threads[i];
    free(threads);
    bool held = memory >= 0 && tl_hold_thread(&hold, pid, outer, memory, reason, size);
    if (held) {
        hold.mask &= ~(1ull << (SIGTRAP - 1) | 1ull << (SIGILL - 1));
        tl_hold_end(&hold);
    }
    if (memory >= 0)
        close(memory);
    /* A thread that has ended meanwhile is no obstacle any more. */
    return held || tl_process_state(pid, outer) == 0 || tl_process_state(pid, outer) == 'Z';
}
