/* SPDX-License-Identifier: MIT
 *
 * Signals as fast as they come, in all threads, with traced handlers: two interval timers of 100 us, one handler on an
 * alternate stack, one that nests (SA_NODEFER), while the threads call traced functions: signals [MILLISECONDS].
 */
#include "traced.h"
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

enum { THREADS = 3, ALTERNATE_BYTES = 65536 };
static unsigned long handled, nested, bumps, deepest, steps[THREADS];
static uint64_t end_ns;
static __thread volatile int level; /* volatile: raise() is declared as calling nothing back */
static __thread char *alternate;
static pthread_barrier_t everyone;

static TRACED unsigned long f_bump(unsigned long x)
{
    __atomic_fetch_add(&bumps, 1, __ATOMIC_RELAXED);
    return x + 1;
}

static TRACED void f_on_alternate(int number)
{
    char *here = __builtin_frame_address(0);
    int saved = errno;
    CHECK(number == SIGPROF);
    CHECK(here >= alternate && here < alternate + ALTERNATE_BYTES);
    CHECK(f_bump(1) == 2);
    __atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED);
    errno = saved;
}

static TRACED void f_nesting(int number)
{
    int saved = errno;
    __atomic_fetch_add(&nested, 1, __ATOMIC_RELAXED);
    CHECK(number == SIGALRM);
    level++;
    if (level == 4)
        __atomic_store_n(&deepest, 4, __ATOMIC_RELAXED);
    if (level < 4)
        raise(SIGALRM);
    CHECK(f_bump(7) == 8);
    level--;
    errno = saved;
}

static TRACED double f_float(double x)
{
    return x * 1.5 + 0.25;
}

static TRACED unsigned long f_step(unsigned long x)
{
    return f_bump(x) * 3;
}

static void *work(void *which)
{
    stack_t stack = {.ss_size = ALTERNATE_BYTES};
    unsigned long *count = which;

    stack.ss_sp = alternate = malloc(ALTERNATE_BYTES);
    CHECK(sigaltstack(&stack, NULL) == 0);
    pthread_barrier_wait(&everyone);
    while (now_ns() < end_ns) {
        for (int i = 0; i < 10; i++) {
            volatile double x = i;
            CHECK(f_step(*count) == (*count + 1) * 3);
            CHECK(f_float(x) == i * 1.5 + 0.25);
            ++*count;
        }
        for (uint64_t until = now_ns() + 20000; now_ns() < until;) /* so that the recording stays small */
            ;
    }
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    return NULL;
}

int main(int argc, char **argv)
{
    struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    struct sigaction first = {.sa_handler = f_on_alternate, .sa_flags = SA_ONSTACK | SA_RESTART};
    struct sigaction second = {.sa_handler = f_nesting, .sa_flags = SA_NODEFER | SA_RESTART};
    pthread_t ids[THREADS];
    unsigned long all_steps = 0;

    end_ns = now_ns() + argument(argc, argv, 1, 500) * 1000000;
    CHECK(sigaction(SIGPROF, &first, NULL) == 0 && sigaction(SIGALRM, &second, NULL) == 0);
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGPROF);
    sigaddset(&both, SIGALRM);
    CHECK(pthread_barrier_init(&everyone, NULL, THREADS + 1) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&ids[i], NULL, work, &steps[i]) == 0);
    CHECK(pthread_sigmask(SIG_BLOCK, &both, NULL) == 0);
    pthread_barrier_wait(&everyone);
    CHECK(setitimer(ITIMER_PROF, &often, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(ids[i], NULL) == 0);
        all_steps += steps[i];
    }
    CHECK(setitimer(ITIMER_PROF, &never, NULL) == 0 && setitimer(ITIMER_REAL, &never, NULL) == 0);
    fprintf(stderr, "%lu + %lu signals, %lu steps\n", handled, nested, all_steps);
    CHECK(handled > 0 && nested > 10 && deepest == 4);
    COUNT(f_step, all_steps);
    COUNT(f_float, all_steps);
    COUNT(f_bump, bumps);
    COUNT(f_on_alternate, handled);
    COUNT(f_nesting, nested);
    printf("unreturned 0\n");
    return 0;
}
