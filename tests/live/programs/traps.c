/* SPDX-License-Identifier: MIT
 *
 * A program that uses SIGTRAP and SIGILL itself: its own int3 and cd 03, raise, kill, ud2, ignored ones, handlers that
 * are changed and read back, single steps by the trap flag; and with an argument it dies of one.
 *     traps                                    all that can be survived
 *     traps masks                              which signals are blocked inside its own handler
 *     traps step                               single steps through traced functions
 *     traps int3 | cd03 | ud2 | raise          the default action: ends by SIGTRAP or SIGILL
 */
#include "traced.h"
#include <signal.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* volatile: glibc declares raise() and kill() as calling nothing back. */
static int masks;
static volatile int traps, trap_code, ills, others, steps, blocked_inside;
static volatile uintptr_t trap_rip;

static TRACED int f_counted(int x)
{
    return x + 1;
}

static TRACED void f_on_trap(int number, siginfo_t *info, void *context)
{
    sigset_t now;
    CHECK(number == SIGTRAP);
    traps = f_counted(traps);
    trap_code = info->si_code;
    trap_rip = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    sigprocmask(SIG_BLOCK, NULL, &now);
    blocked_inside = sigismember(&now, SIGTRAP) * 2 + sigismember(&now, SIGUSR2);
}

static TRACED void f_on_ill(int number, siginfo_t *info, void *context)
{
    CHECK(number == SIGILL && info->si_addr != NULL);
    ills = f_counted(ills);
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

static TRACED void f_other(int number)
{
    (void)number;
    others = f_counted(others);
}

static void on_step(int number)
{
    (void)number;
    steps++;
}

static TRACED uintptr_t f_own_int3(void)
{
    uintptr_t behind;
    __asm__ volatile("lea 1f(%%rip), %0\n\tint3\n1:" : "=r"(behind)::"memory");
    return behind;
}

static TRACED uintptr_t f_own_cd03(void)
{
    uintptr_t behind;
    __asm__ volatile("lea 1f(%%rip), %0\n\t.byte 0xcd, 0x03\n1:" : "=r"(behind)::"memory");
    return behind;
}

static TRACED void f_own_ud2(void)
{
    __asm__ volatile("ud2" ::: "memory");
}

/* A function that begins with its own int3. */
void f_begins_with_int3(void);
__asm__(".text\n.p2align 4\n.globl f_begins_with_int3\n.type f_begins_with_int3, @function\nf_begins_with_int3:\n"
        "\tint3\n\tnop\n\tnop\n\tnop\n\tnop\n\tret\n.size f_begins_with_int3, . - f_begins_with_int3\n");

static void breakpoints(void)
{
    struct sigaction mine = {.sa_sigaction = f_on_trap, .sa_flags = SA_SIGINFO}, back;
    sigaddset(&mine.sa_mask, SIGUSR2);
    CHECK(sigaction(SIGTRAP, NULL, &back) == 0 && back.sa_handler == SIG_DFL);
    CHECK(sigaction(SIGTRAP, &mine, &back) == 0 && back.sa_handler == SIG_DFL);
    CHECK(sigaction(SIGTRAP, NULL, &back) == 0 && back.sa_sigaction == f_on_trap);
    CHECK((back.sa_flags & SA_SIGINFO) && sigismember(&back.sa_mask, SIGUSR2) && !sigismember(&back.sa_mask, SIGUSR1));
    for (int i = 0; i < 300; i++) {
        CHECK(f_own_int3() == trap_rip && trap_code == SI_KERNEL);
        CHECK(!masks || blocked_inside == 3);
        CHECK(f_own_cd03() == trap_rip && trap_code == SI_KERNEL);
        f_begins_with_int3();
        CHECK(trap_rip == (uintptr_t)f_begins_with_int3 + 1);
        CHECK(raise(SIGTRAP) == 0 && trap_code == SI_TKILL);
        CHECK(kill(getpid(), SIGTRAP) == 0 && trap_code == SI_USER);
        CHECK(traps == (i + 1) * 5);
    }
    printf("traps %d\n", traps);
}

static void changes(void)
{
    struct sigaction back;
    for (int i = 0; i < 300; i++) {
        CHECK(signal(SIGTRAP, SIG_IGN) != SIG_ERR);
        CHECK(raise(SIGTRAP) == 0 && kill(getpid(), SIGTRAP) == 0);
        CHECK(signal(SIGTRAP, f_other) == SIG_IGN);
        CHECK(raise(SIGTRAP) == 0);
        f_own_int3();
        CHECK(signal(SIGILL, f_other) != SIG_ERR);
        CHECK(raise(SIGILL) == 0);
        CHECK(sigaction(SIGILL, NULL, &back) == 0 && back.sa_handler == f_other);
        CHECK(signal(SIGTRAP, SIG_DFL) == f_other && signal(SIGILL, SIG_DFL) == f_other);
        CHECK(others == (i + 1) * 3);
    }
    /* One shot: back to the default when it has run. */
    struct sigaction once = {.sa_handler = f_other, .sa_flags = (int)SA_RESETHAND};
    CHECK(sigaction(SIGTRAP, &once, NULL) == 0 && raise(SIGTRAP) == 0);
    CHECK(sigaction(SIGTRAP, NULL, &back) == 0 && back.sa_handler == SIG_DFL && others == 901);
    printf("others %d\n", others);
}

static void illegal(void)
{
    struct sigaction mine = {.sa_sigaction = f_on_ill, .sa_flags = SA_SIGINFO}, back;
    CHECK(sigaction(SIGILL, &mine, &back) == 0 && back.sa_handler == SIG_DFL);
    for (int i = 0; i < 300; i++) {
        f_own_ud2();
        CHECK(ills == i + 1);
    }
    printf("ills %d\n", ills);
}

/* Blocked: raise stays pending until it is unblocked. */
static void pending(void)
{
    struct sigaction mine = {.sa_handler = f_other};
    sigset_t set, now;
    int before = others;
    CHECK(sigaction(SIGTRAP, &mine, NULL) == 0);
    sigemptyset(&set);
    sigaddset(&set, SIGTRAP);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(raise(SIGTRAP) == 0);
    f_counted(1);
    CHECK(others == before);
    CHECK(sigpending(&now) == 0 && sigismember(&now, SIGTRAP));
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
    CHECK(others == before + 1);
    printf("pending\n");
}

/* Single steps itself through traced functions, as a debugger in the program would. */
static void stepping(void)
{
    CHECK(signal(SIGTRAP, on_step) != SIG_ERR);
    int x = 0;
    __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq" ::: "memory", "cc");
    for (int i = 0; i < 20; i++)
        x = f_counted(x);
    __asm__ volatile("pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq" ::: "memory", "cc");
    CHECK(x == 20 && steps > 60);
    printf("stepped\n");
}

/* In a child: the default action of a real int3 is death by SIGTRAP, even if the signal is blocked or ignored. */
static void forced(void (*ignore)(void))
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        ignore();
        f_own_int3();
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    printf("forced %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status));
}

static void by_ignoring(void)
{
    signal(SIGTRAP, SIG_IGN);
}

static void by_blocking(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTRAP);
    signal(SIGTRAP, f_other);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

int main(int argc, char **argv)
{
    const char *end = argc > 1 ? argv[1] : "";
    f_counted(0);
    if (strcmp(end, "int3") == 0)
        f_own_int3();
    if (strcmp(end, "cd03") == 0)
        f_own_cd03();
    if (strcmp(end, "ud2") == 0)
        f_own_ud2();
    if (strcmp(end, "raise") == 0)
        raise(SIGTRAP);
    if (strcmp(end, "step") == 0) {
        stepping();
        return 0;
    }
    masks = strcmp(end, "masks") == 0;
    breakpoints();
    if (masks)
        return 0;
    changes();
    illegal();
    pending();
    forced(by_ignoring);
    forced(by_blocking);
    return 0;
}
