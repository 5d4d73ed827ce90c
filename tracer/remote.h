/* SPDX-License-Identifier: MIT
 *
 * One thread of another process, held by ptrace for as short as can be, and system calls run in it. Everything that was
 * changed in it is put back by tl_hold_end().
 */
#ifndef TL_TRACER_REMOTE_H
#define TL_TRACER_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>
#include <tracer/hurry.h>

struct tl_hold {
    pid_t pid, tid;
    int memory;               /* /proc/PID/mem, opened by the caller */
    bool launched;            /* we are its tracer anyway: not seized, not let go */
    uint64_t syscall_address; /* of a `syscall` instruction in the target */
    struct user_regs_struct registers;
    uint64_t mask;
    bool at_signal; /* it is stopped where signals are taken: the way out of there restarts system calls */
    struct tl_hurry hurry;
    bool stop_again; /* a SIGSTOP came while it was held: sent anew when it is let go */
    uint64_t since_ns, held_ns;
};

/* Seizes and stops a thread of pid, one that is disturbed least by it. False: reason says why, one sentence. */
bool tl_hold_begin(struct tl_hold *hold, pid_t pid, int memory, char *reason, size_t size);

/* The same for a thread that is stopped under our ptrace already. */
bool tl_hold_adopt(struct tl_hold *hold, pid_t pid, int memory, char *reason, size_t size);

/* Runs a system call in the held thread: its result, or a negative errno (-ESRCH: the thread has gone). */
long tl_hold_syscall(struct tl_hold *hold, long number, long a, long b, long c, long d, long e, long f);

/* Runs code at ip with rdi and rsp set through its first system call; the result of that, or a negative errno. The
 * thread goes no further there. */
long tl_hold_call(struct tl_hold *hold, uint64_t ip, uint64_t rdi, uint64_t rsp);

/* Runs code at ip until it has sent SIGSTOP to itself at end, without system call stops; *registers are those at the
 * end. False: the thread is gone, or the code went wrong. */
bool tl_hold_run(struct tl_hold *hold, uint64_t ip, uint64_t end, struct user_regs_struct *registers);

/* Puts the thread's registers and signal mask back and lets it go. Fills held_ns. */
void tl_hold_end(struct tl_hold *hold);

/* Holds the thread that calls itself tid for just so long as it takes to unblock SIGTRAP and SIGILL in it. */
bool tl_hold_unblock(pid_t pid, uint32_t tid, char *reason, size_t size);

#endif
