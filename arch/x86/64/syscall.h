/* SPDX-License-Identifier: MIT
 *
 * Linux system calls without a libc: returns the result or a negative errno. Numbers as in the kernel's
 * arch/x86/entry/syscalls/syscall_64.tbl. Used by port/linux and agent only.
 */
#ifndef TL_ARCH_SYSCALL_H
#define TL_ARCH_SYSCALL_H

enum {
    TL_SYS_READ = 0,
    TL_SYS_WRITE = 1,
    TL_SYS_CLOSE = 3,
    TL_SYS_FSTAT = 5,
    TL_SYS_POLL = 7,
    TL_SYS_MMAP = 9,
    TL_SYS_MPROTECT = 10,
    TL_SYS_MUNMAP = 11,
    TL_SYS_RT_SIGACTION = 13,
    TL_SYS_RT_SIGPROCMASK = 14,
    TL_SYS_PREAD64 = 17,
    TL_SYS_PWRITE64 = 18,
    TL_SYS_MREMAP = 25,
    TL_SYS_MADVISE = 28,
    TL_SYS_NANOSLEEP = 35,
    TL_SYS_GETPID = 39,
    TL_SYS_RECVMSG = 47,
    TL_SYS_CLONE = 56,
    TL_SYS_EXECVE = 59,
    TL_SYS_EXIT = 60,
    TL_SYS_RT_SIGPENDING = 127,
    TL_SYS_RT_SIGSUSPEND = 130,
    TL_SYS_PRCTL = 157,
    TL_SYS_GETTID = 186,
    TL_SYS_GETDENTS64 = 217,
    TL_SYS_TGKILL = 234,
    TL_SYS_OPENAT = 257,
    TL_SYS_PSELECT6 = 270,
    TL_SYS_PPOLL = 271,
    TL_SYS_EPOLL_PWAIT = 281,
    TL_SYS_PROCESS_VM_READV = 310,
    TL_SYS_PROCESS_VM_WRITEV = 311,
    TL_SYS_SECCOMP = 317,
    TL_SYS_EXECVEAT = 322,
    TL_SYS_MEMBARRIER = 324,
    TL_SYS_IO_PGETEVENTS = 333,
    TL_SYS_IO_URING_ENTER = 426,
    TL_SYS_CLOSE_RANGE = 436,
    TL_SYS_EPOLL_PWAIT2 = 441,
};

static inline long tl_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#define tl_syscall0(n) tl_syscall6(n, 0, 0, 0, 0, 0, 0)
#define tl_syscall1(n, a) tl_syscall6(n, (long)(a), 0, 0, 0, 0, 0)
#define tl_syscall2(n, a, b) tl_syscall6(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define tl_syscall3(n, a, b, c) tl_syscall6(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define tl_syscall4(n, a, b, c, d) tl_syscall6(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

#endif
