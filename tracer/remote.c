/* SPDX-License-Identifier: MIT
 *
 * Holding a thread and running system calls in it. See remote.h.
 */
#include <ctype.h>
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

#define FIRST_STOP_NS 2000000000u /* so long a thread may take to stop */
#define RSEQ_CS_OFFSET 8          /* of rseq_cs in struct rseq (linux/rseq.h) */

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
        return 1;
    if (state == 'D' || state == 'Z' || state == 'X' || state == 0)
        return 9;
    /* One that sleeps is missed by nobody, if the kernel puts it back to sleep by itself. */
    if (isdigit((unsigned char)text[0]))
        return interrupted_by_stop(strtol(text, NULL, 10)) ? 3 : 0;
    return 2;
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

/* The first stop: a thread in uninterruptible sleep may be long in coming. Then it stays seized, and is let go when
 * this process ends. */
static bool wait_first_stop(struct tl_hold *hold, uint64_t until, int *status, char *reason, size_t size)
{
    pid_t got;
    while ((got = waitpid(hold->tid, status, __WALL | WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
        if (now_ns() > until) {
            snprintf(reason, size, "cannot attach to %d: its thread %d does not stop (state %c); try again",
                     (int)hold->pid, (int)hold->tid, tl_process_state(hold->pid, hold->tid));
            return false;
        }
        struct timespec pause = {0, 20000};
        nanosleep(&pause, NULL);
    }
    if (got == hold->tid && WIFSTOPPED(*status))
        return true;
    snprintf(reason, size, "cannot attach to %d: it ended", (int)hold->pid);
    return false;
}

static bool is_event_stop(int status)
{
    return status >> 16 == PTRACE_EVENT_STOP;
}

/* True if a signal waits that the thread would take now: an EINTR is then none of our doing. */
static bool signal_pending(const struct tl_hold *hold)
{
    uint64_t blocked = (uint64_t)tl_process_number(hold->pid, hold->tid, "SigBlk", 16);
    uint64_t own = (uint64_t)tl_process_number(hold->pid, hold->tid, "SigPnd", 16);
    uint64_t shared = (uint64_t)tl_process_number(hold->pid, hold->tid, "ShdPnd", 16);
    return ((own | shared) & ~blocked) != 0;
}

/* A thread stopped inside a restartable sequence goes on at its abort handler, as rseq(2) has it for any preemption:
 * the kernel would not see to it, as it finds the thread at our system call when it runs next. */
static void leave_sequence(struct tl_hold *hold)
{
    struct __ptrace_rseq_configuration about = {0};
    struct rseq_sequence {
        uint32_t version, flags;
        uint64_t start, size, abort;
    } sequence;
    uint64_t pointer = 0, none = 0;
    if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, hold->tid, sizeof(about), &about) <= 0 || !about.rseq_abi_pointer ||
        !tl_memory_read(hold->memory, about.rseq_abi_pointer + RSEQ_CS_OFFSET, &pointer, sizeof(pointer)) || !pointer ||
        !tl_memory_read(hold->memory, pointer, &sequence, sizeof(sequence)) ||
        hold->registers.rip - sequence.start >= sequence.size)
        return;
    if (tl_memory_write(hold->memory, about.rseq_abi_pointer + RSEQ_CS_OFFSET, &none, sizeof(none)))
        hold->registers.rip = sequence.abort;
}

static bool save(struct tl_hold *hold, char *reason, size_t size)
{
    struct user_regs_struct *registers = &hold->registers;
    if (ptrace(PTRACE_GETREGS, hold->tid, 0, registers) != 0 ||
        ptrace(PTRACE_GETSIGMASK, hold->tid, sizeof(hold->mask), &hold->mask) != 0) {
        snprintf(reason, size, "cannot attach to %d: its registers cannot be read (%s)", (int)hold->pid,
                 strerror(errno));
        return false;
    }
    if (registers->cs == 0x23) {
        snprintf(reason, size, "cannot attach to %d: it runs in 32-bit mode; only x86-64 can be traced",
                 (int)hold->pid);
        return false;
    }
    /* Stopped in a call that has turned our stop into EINTR: it is made again, as if nothing had been. */
    if ((long)registers->orig_rax >= 0 && (long)registers->rax == -EINTR &&
        interrupted_by_stop((long)registers->orig_rax) && !signal_pending(hold)) {
        registers->rax = registers->orig_rax;
        registers->orig_rax = (unsigned long long)-1;
        registers->rip -= 2;
    }
    leave_sequence(hold);
    uint64_t all = ~0ull;
    ptrace(PTRACE_SETSIGMASK, hold->tid, sizeof(all), &all);
    return true;
}

/* Stops the seized thread. A signal that was on its way to it is delivered first. Its stop takes back an interrupt that
 * came while it was taken off the queue (Linux: any trap clears a pending one in ptrace_stop(), and dequeue_signal()
 * lets go of the lock for a timer's), so another is asked for; else every next signal would do for the stop, and none
 * be it. */
static bool interrupt(struct tl_hold *hold, char *reason, size_t size)
{
    uint64_t until = now_ns() + FIRST_STOP_NS;
    int status;
    for (;;) {
        ptrace(PTRACE_INTERRUPT, hold->tid, 0, 0);
        if (!wait_first_stop(hold, until, &status, reason, size))
            return false;
        if (is_event_stop(status)) {
            hold->at_signal = true;
            return true;
        }
        ptrace(PTRACE_CONT, hold->tid, 0, status >> 16 ? 0 : WSTOPSIG(status));
    }
}

static bool hold_thread(struct tl_hold *hold, pid_t pid, pid_t tid, int memory, char *reason, size_t size)
{
    *hold = (struct tl_hold){.pid = pid, .tid = tid, .memory = memory};
    hold->syscall_address = find_syscall(pid, memory);
    if (!hold->syscall_address) {
        snprintf(reason, size, "cannot attach to %d: no system call instruction found in it", (int)pid);
        return false;
    }
    if (ptrace(PTRACE_SEIZE, tid, 0, PTRACE_O_TRACESYSGOOD) != 0) {
        tl_process_refusal(pid, tid, errno, reason, size);
        return false;
    }
    tl_hurry_begin(&hold->hurry, tid);
    hold->since_ns = now_ns();
    bool held = interrupt(hold, reason, size);
    if (held && save(hold, reason, size))
        return true;
    if (held)
        ptrace(PTRACE_DETACH, tid, 0, 0);
    tl_hurry_end(&hold->hurry);
    return false;
}

static bool thread_ended(pid_t pid, pid_t tid)
{
    char state = tl_process_state(pid, tid);
    return state == 0 || state == 'Z' || state == 'X';
}

bool tl_hold_begin(struct tl_hold *hold, pid_t pid, int memory, char *reason, size_t size)
{
    enum { TRIES = 100 }; /* where threads live for a moment only, the chosen one may be gone each time */
    for (int i = 0; i < TRIES; i++) {
        pid_t tid = choose_thread(pid);
        if (hold_thread(hold, pid, tid, memory, reason, size))
            return true;
        if (!thread_ended(pid, tid) || thread_ended(pid, 0))
            break;
    }
    return false;
}

bool tl_hold_adopt(struct tl_hold *hold, pid_t pid, int memory, char *reason, size_t size)
{
    *hold = (struct tl_hold){.pid = pid, .tid = pid, .memory = memory, .launched = true, .since_ns = now_ns()};
    hold->syscall_address = find_syscall(pid, memory);
    if (!hold->syscall_address || ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD) != 0) {
        snprintf(reason, size, "cannot trace %d: no system call can be run in it", (int)pid);
        return false;
    }
    return save(hold, reason, size);
}

/* Lets the thread run to its next system call stop. These stops are no signals: a SIGTRAP forced upon a thread that
 * blocks or ignores it would reset the program's handler. All other signals are blocked, so what can come between is a
 * stop of the whole group, a SIGSTOP, or the end. */
static bool run_to_call_stop(struct tl_hold *hold)
{
    int status;
    for (;;) {
        if (ptrace(PTRACE_SYSCALL, hold->tid, 0, 0) != 0 || !wait_stop(hold, &status))
            return false;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80))
            return true;
        if (status >> 16)
            continue;
        if (WSTOPSIG(status) != SIGSTOP)
            return false;
        hold->stop_again = true;
    }
}

/* From registers through one whole system call: its result. */
static long run_call(struct tl_hold *hold, struct user_regs_struct *registers)
{
    registers->orig_rax = (unsigned long long)-1;
    hold->at_signal = false;
    if (ptrace(PTRACE_SETREGS, hold->tid, 0, registers) != 0 || !run_to_call_stop(hold) || !run_to_call_stop(hold) ||
        ptrace(PTRACE_GETREGS, hold->tid, 0, registers) != 0)
        return -ESRCH;
    return (long)registers->rax;
}

long tl_hold_syscall(struct tl_hold *hold, long number, long a, long b, long c, long d, long e, long f)
{
    struct user_regs_struct registers = hold->registers;
    registers.rax = (unsigned long long)number;
    registers.rdi = (unsigned long long)a;
    registers.rsi = (unsigned long long)b;
    registers.rdx = (unsigned long long)c;
    registers.r10 = (unsigned long long)d;
    registers.r8 = (unsigned long long)e;
    registers.r9 = (unsigned long long)f;
    registers.rip = hold->syscall_address;
    return run_call(hold, &registers);
}

long tl_hold_call(struct tl_hold *hold, uint64_t ip, uint64_t rdi, uint64_t rsp)
{
    struct user_regs_struct registers = hold->registers;
    registers.rip = ip;
    registers.rdi = rdi;
    registers.rsp = rsp;
    registers.eflags &= ~0x400ull; /* direction */
    return run_call(hold, &registers);
}

bool tl_hold_run(struct tl_hold *hold, uint64_t ip, uint64_t end, struct user_regs_struct *registers)
{
    int status;
    *registers = hold->registers;
    registers->orig_rax = (unsigned long long)-1;
    registers->rip = ip;
    if (ptrace(PTRACE_SETREGS, hold->tid, 0, registers) != 0)
        return false;
    for (;;) {
        if (ptrace(PTRACE_CONT, hold->tid, 0, 0) != 0 || !wait_stop(hold, &status))
            return false;
        if (status >> 16)
            continue;
        if (WSTOPSIG(status) != SIGSTOP || ptrace(PTRACE_GETREGS, hold->tid, 0, registers) != 0)
            return false;
        if (registers->rip == end) {
            hold->at_signal = true;
            return true;
        }
        hold->stop_again = true;
    }
}

/* Once more into the kind of stop it was found in: only on the way out of that one the kernel restarts the system call
 * that our first stop cut short. */
static void stop_at_signal(struct tl_hold *hold)
{
    bool stopped;
    int status;
    do { /* again after each other stop: see interrupt() */
        ptrace(PTRACE_INTERRUPT, hold->tid, 0, 0);
        stopped = ptrace(PTRACE_CONT, hold->tid, 0, 0) == 0 && wait_stop(hold, &status);
        hold->stop_again |= stopped && status >> 16 == 0 && WSTOPSIG(status) == SIGSTOP;
    } while (stopped && !is_event_stop(status));
}

void tl_hold_end(struct tl_hold *hold)
{
    if (!hold->at_signal)
        stop_at_signal(hold);
    ptrace(PTRACE_SETREGS, hold->tid, 0, &hold->registers);
    ptrace(PTRACE_SETSIGMASK, hold->tid, sizeof(hold->mask), &hold->mask);
    if (!hold->launched)
        ptrace(PTRACE_DETACH, hold->tid, 0, 0);
    if (hold->stop_again)
        kill(hold->pid, SIGSTOP);
    hold->held_ns = now_ns() - hold->since_ns;
    tl_hurry_end(&hold->hurry);
}

bool tl_hold_unblock(pid_t pid, uint32_t tid, char *reason, size_t size)
{
    struct tl_hold hold;
    int memory = tl_process_memory(pid);
    pid_t outer = tl_process_thread(pid, tid);
    bool held = memory >= 0 && outer != 0 && hold_thread(&hold, pid, outer, memory, reason, size);
    if (held) {
        hold.mask &= ~(1ull << (SIGTRAP - 1) | 1ull << (SIGILL - 1));
        tl_hold_end(&hold);
    }
    if (memory >= 0)
        close(memory);
    /* A thread that has ended meanwhile is no obstacle any more. */
    return held || outer == 0 || tl_process_state(pid, outer) == 0 || tl_process_state(pid, outer) == 'Z';
}
