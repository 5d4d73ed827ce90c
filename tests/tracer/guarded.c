/* SPDX-License-Identifier: MIT
 *
 * guarded KIND: a program in a state that a tracer must respect, until its standard input closes. Says "ready" first
 * and "KIND: as it was" at its end if nobody changed what it had set up. Run by attach.sh.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static void on_trap(int signal)
{
    (void)signal;
}

/* Forbids one system call, allows all others. */
static int forbid(int number)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int set_up(const char *kind)
{
    struct rlimit memory = {64 << 20, 64 << 20}, files = {3, 3};
    if (strcmp(kind, "handles") == 0)
        return signal(SIGTRAP, on_trap) == SIG_ERR;
    if (strcmp(kind, "ignores") == 0)
        return signal(SIGTRAP, SIG_IGN) == SIG_ERR;
    if (strcmp(kind, "memory") == 0)
        return setrlimit(RLIMIT_AS, &memory);
    if (strcmp(kind, "files") == 0)
        return setrlimit(RLIMIT_NOFILE, &files);
    if (strcmp(kind, "filter-clone") == 0)
        return forbid(SYS_clone);
    if (strcmp(kind, "filter-other") == 0)
        return forbid(SYS_ptrace);
    return strcmp(kind, "plain") != 0;
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "plain";
    struct sigaction before = {0}, after = {0};
    sigset_t mask_before = {0}, mask_after = {0}; /* the kernel fills 8 bytes of them */
    char byte;
    if (set_up(kind) != 0)
        return 2;
    sigaction(SIGTRAP, NULL, &before);
    sigprocmask(SIG_SETMASK, NULL, &mask_before);
    puts("ready");
    fflush(stdout);
    errno = 0;
    while (read(0, &byte, 1) > 0)
        ;
    if (errno)
        printf("%s: read was disturbed: %s\n", kind, strerror(errno));
    sigaction(SIGTRAP, NULL, &after);
    sigprocmask(SIG_SETMASK, NULL, &mask_after);
    bool same = before.sa_handler == after.sa_handler && before.sa_flags == after.sa_flags &&
                memcmp(&mask_before, &mask_after, sizeof(mask_before)) == 0;
    printf("%s: %s\n", kind, same ? "as it was" : "changed");
    return 0;
}
