/* SPDX-License-Identifier: MIT
 *
 * Programs under a seccomp filter.
 *     filtered membarrier|mmap|clone|memfd     forbids that one call (EPERM), then serves until standard input ends
 *     filtered kill                            kills the process for membarrier
 *     filtered strict                          allows only what it needs itself, kills for the rest; works, ends with 0
 *     filtered strict number                   the same by seccomp(2), through syscall()
 *     filtered strict all                      the same, and on all threads at once
 */
#include "traced.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *way = "";
static volatile int running; /* volatile: polled, and a system call would be one more to allow */

static TRACED unsigned long f_work(unsigned long x)
{
    return x * 7 + 1;
}

static void filter(const int *numbers, int count, unsigned listed, unsigned rest)
{
    struct sock_filter code[64];
    unsigned short n = 0;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < count; i++) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)numbers[i], 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, listed);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, rest);
    struct sock_fprog program = {n, code};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (strcmp(way, "number") == 0)
        CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
    else if (strcmp(way, "all") == 0)
        CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0);
    else
        CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void work(int rounds)
{
    for (int i = 0; i < rounds; i++)
        CHECK(f_work((unsigned long)i) == (unsigned long)i * 7 + 1);
}

/* Another thread, for a filter that is put on all. */
static void *go_on(void *unused)
{
    for (running = 1; running; work(1000))
        ;
    return unused;
}

static void serve(void)
{
    char byte;
    puts("ready");
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        work(1000);
    work(1000);
    puts("served");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int numbers[2], count;
    } forbidden[] = {
        {"membarrier", {SYS_membarrier}, 1},   {"kill", {SYS_membarrier}, 1},    {"mmap", {SYS_mmap}, 1},
        {"clone", {SYS_clone, SYS_clone3}, 2}, {"memfd", {SYS_memfd_create}, 1},
    };
    static const int allowed[] = {SYS_read, SYS_write, SYS_exit_group, SYS_exit, SYS_newfstatat, SYS_brk};
    const char *mode = argc > 1 ? argv[1] : "membarrier";
    pthread_t other;

    let_anyone_trace();
    setvbuf(stdout, NULL, _IOFBF, 4096);
    way = argc > 2 ? argv[2] : "";
    if (strcmp(mode, "strict") == 0) {
        printf("begin\n");
        fflush(stdout);
        if (strcmp(way, "all") == 0)
            CHECK(pthread_create(&other, NULL, go_on, NULL) == 0);
        while (strcmp(way, "all") == 0 && !running)
            ;
        work(1000);
        filter(allowed, sizeof allowed / sizeof allowed[0], SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
        work(100000);
        printf("end\n");
        return 0;
    }
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++)
        if (strcmp(mode, forbidden[i].name) == 0)
            filter(forbidden[i].numbers, forbidden[i].count,
                   strcmp(mode, "kill") == 0 ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW);
    serve();
    return 0;
}
