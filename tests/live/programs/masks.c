/* SPDX-License-Identifier: MIT
 *
 * Handlers that run with SIGTRAP and SIGILL blocked and call a function that only a breakpoint can trace: under the
 * mask of each system call that waits under one, under sa_mask, and after a sigprocmask by syscall().
 *     masks               all of them in turn; each must end as it does untraced, and show the masks that were asked
 * for
 */
#include "traced.h"
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One byte, and another function begins behind it: no room for a jump. */
void f_bare(void);
int f_next(void);
__asm__(".text\n.globl f_bare\n.type f_bare,@function\nf_bare: ret\n.size f_bare, 1\n"
        ".globl f_next\n.type f_next,@function\nf_next: xor %eax,%eax\nnop\nnop\nnop\nret\n.size f_next, 6\n");

enum { ROUNDS = 20 };
static unsigned long bare, handled, trapped;
static int pair[2], poller, by_wait = 1;
static sigset_t all_but_user, everything;

static TRACED void f_call_bare(void)
{
    f_bare();
    bare++;
}

static int is_blocked(int number)
{
    sigset_t now;
    CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0);
    return sigismember(&now, number);
}

static void on_user(int number)
{
    int before = errno;
    CHECK(number == SIGUSR1 && is_blocked(SIGUSR2));
    CHECK(!by_wait || (is_blocked(SIGTRAP) && is_blocked(SIGILL))); /* of sa_mask only what others see is kept */
    f_call_bare();
    handled++;
    errno = before;
}

static void on_trap(int number)
{
    CHECK(number == SIGTRAP);
    f_call_bare();
    trapped++;
}

static int by_suspend(const sigset_t *mask, int ms)
{
    (void)ms;
    return sigsuspend(mask);
}
static int by_ppoll(const sigset_t *mask, int ms)
{
    struct pollfd fd = {.fd = pair[0], .events = POLLIN};
    struct timespec time = {0, ms * 1000000L};
    return ppoll(&fd, 1, ms < 0 ? NULL : &time, mask);
}
static int by_pselect(const sigset_t *mask, int ms)
{
    struct timespec time = {0, ms * 1000000L};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pair[0], &set);
    return pselect(pair[0] + 1, &set, NULL, NULL, ms < 0 ? NULL : &time, mask);
}
static int by_epoll(const sigset_t *mask, int ms)
{
    struct epoll_event event;
    return epoll_pwait(poller, &event, 1, ms, mask);
}
static int by_epoll2(const sigset_t *mask, int ms)
{
    struct timespec time = {0, ms * 1000000L};
    struct epoll_event event;
    return epoll_pwait2(poller, &event, 1, ms < 0 ? NULL : &time, mask);
}
static int by_number(const sigset_t *mask, int ms)
{
    struct pollfd fd = {.fd = pair[0], .events = POLLIN};
    struct timespec time = {0, ms * 1000000L};
    return (int)syscall(SYS_ppoll, &fd, 1, ms < 0 ? NULL : &time, mask, 8);
}

static void wait_in_all_ways(const char *name, int (*way)(const sigset_t *, int), int has_time)
{
    sigset_t with_trap = everything, without_trap = all_but_user;
    for (int i = 0; i < ROUNDS; i++) {
        unsigned long before = handled;
        CHECK(raise(SIGUSR1) == 0 && handled == before);
        CHECK(way(&all_but_user, -1) == -1 && errno == EINTR && handled == before + 1);
        CHECK(!is_blocked(SIGTRAP) && !is_blocked(SIGUSR2) && is_blocked(SIGUSR1));
    }
    /* One that is held back is let in by a mask that does not hold it. */
    sigemptyset(&with_trap);
    sigaddset(&with_trap, SIGTRAP);
    sigdelset(&without_trap, SIGTRAP);
    CHECK(sigprocmask(SIG_BLOCK, &with_trap, NULL) == 0);
    unsigned long before = trapped;
    CHECK(raise(SIGTRAP) == 0 && trapped == before);
    CHECK(way(&without_trap, -1) == -1 && errno == EINTR && trapped == before + 1);
    CHECK(is_blocked(SIGTRAP));
    CHECK(sigprocmask(SIG_UNBLOCK, &with_trap, NULL) == 0);
    if (has_time) {
        char byte = 1;
        CHECK(way(&all_but_user, 5) == 0);
        CHECK(write(pair[1], &byte, 1) == 1);
        CHECK(way(&all_but_user, 900) == 1);
        CHECK(read(pair[0], &byte, 1) == 1);
    }
    printf("%s\n", name);
}

int main(void)
{
    struct sigaction action = {.sa_handler = on_user}, trap = {.sa_handler = on_trap};
    struct epoll_event event = {.events = EPOLLIN};
    sigset_t user;

    let_anyone_trace();
    sigfillset(&everything);
    sigfillset(&all_but_user);
    sigdelset(&all_but_user, SIGUSR1);
    sigemptyset(&user);
    sigaddset(&user, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &user, NULL) == 0);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(sigaction(SIGTRAP, &trap, NULL) == 0);
    CHECK(pipe(pair) == 0 && (poller = epoll_create1(0)) >= 0);
    CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, pair[0], &event) == 0);
    wait_in_all_ways("sigsuspend", by_suspend, 0);
    wait_in_all_ways("ppoll", by_ppoll, 1);
    wait_in_all_ways("pselect", by_pselect, 1);
    wait_in_all_ways("epoll_pwait", by_epoll, 1);
    wait_in_all_ways("epoll_pwait2", by_epoll2, 1);
    wait_in_all_ways("syscall", by_number, 1);

    by_wait = 0;
    action.sa_mask = everything;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(sigprocmask(SIG_UNBLOCK, &user, NULL) == 0);
    CHECK(raise(SIGUSR1) == 0);
    CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &everything, NULL, 8) == 0);
    f_call_bare();
    CHECK(is_blocked(SIGTRAP));
    CHECK(f_next() == 0);
    COUNT(f_bare, bare);
    COUNT(f_next, 1);
    printf("handled %lu, trapped %lu\n", handled, trapped);
    return 0;
}
