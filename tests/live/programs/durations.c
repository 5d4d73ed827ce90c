/* SPDX-License-Identifier: MIT
 *
 * Long calls full of short ones, in threads that a timer interrupts all the time; its handler calls both kinds as well:
 * durations [THREADS [LONG CALLS]]. A long call lasts LONG_NS or more, a short one does next to nothing.
 */
#include "traced.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS_MAX = 16, LONG_NS = 2000000, STORM_NS = 150000, LONG_HANDLER = 256 };

static _Atomic unsigned long handled, in_handlers, shorts;
static unsigned long calls;

static TRACED unsigned long f_short(unsigned long x)
{
    return x * 3 + 1;
}

static TRACED unsigned long f_middle(unsigned long x)
{
    return f_short(x) + f_short(x + 1);
}

static TRACED unsigned long f_until(uint64_t end_ns)
{
    unsigned long rounds = 0;
    do {
        for (unsigned long i = 0; i < 50; i++)
            CHECK(f_middle(i) == 6 * i + 5);
        rounds++;
    } while (now_ns() < end_ns);
    return rounds;
}

static TRACED void f_long(void)
{
    unsigned long rounds = f_until(now_ns() + LONG_NS);
    atomic_fetch_add_explicit(&shorts, rounds * 150, memory_order_relaxed); /* relaxed: read after the threads */
}

static TRACED void h_long(void)
{
    f_until(now_ns() + LONG_NS);
    atomic_fetch_add_explicit(&in_handlers, 1, memory_order_relaxed); /* relaxed: read after the threads */
}

static void on_timer(int number)
{
    int saved = errno;
    (void)number;
    CHECK(f_middle(1) == 11);
    /* relaxed: only to be different */
    if (atomic_fetch_add_explicit(&handled, 1, memory_order_relaxed) % LONG_HANDLER == LONG_HANDLER - 1)
        h_long();
    errno = saved;
}

static void *work(void *unused)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    struct itimerspec often = {{0, STORM_NS}, {0, STORM_NS}};
    timer_t timer;
    sigset_t signals;
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &often, NULL) == 0);
    for (unsigned long i = 0; i < calls; i++)
        f_long();
    sigemptyset(&signals);
    sigaddset(&signals, SIGRTMIN);
    CHECK(pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0 && timer_delete(timer) == 0);
    return unused;
}

int main(int argc, char **argv)
{
    unsigned long threads = argument(argc, argv, 1, 4);
    struct sigaction action = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
    pthread_t ids[THREADS_MAX];
    calls = argument(argc, argv, 2, 100);
    CHECK(threads <= THREADS_MAX && sigaction(SIGRTMIN, &action, NULL) == 0);
    for (unsigned long i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, work, NULL) == 0);
    for (unsigned long i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    COUNT(f_long, threads * calls);
    COUNT(h_long, in_handlers);
    printf("short %lu\n", shorts);
    return 0;
}
