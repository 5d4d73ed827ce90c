/* SPDX-License-Identifier: MIT
 *
 * What a flight recorder must still hold.
 *     flight HOW T N          T threads, then one more, make N calls each in an order that is drawn from a seed, and
 * stay inside f_park(); only then the last ends the program inside f_inner() inside f_outer(): segv, abort, kill, or
 * thread (the last is another thread, and calls _exit) flight cycle T          T threads make the same calls in the
 * same order until the end of the input; "ready", "done"
 *     flight cycle T nap      from the first character of the input on, and after each round they sleep a little, so
 * that their rings are not overwritten
 * Says "thread TID SEED" of each that draws.
 */
#include "traced.h"
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS_MAX = 64 };
static unsigned long calls;
static unsigned parked;
static int go, stop, nap;
static volatile int *volatile nowhere = (volatile int *)16;

static TRACED unsigned f_even(unsigned x)
{
    KEEP(x);
    return x + 1;
}

static TRACED unsigned f_odd(unsigned x)
{
    KEEP(x);
    return x + 2;
}

static void draw(unsigned seed)
{
    printf("thread %ld %u\n", syscall(SYS_gettid), seed);
    fflush(stdout);
    for (unsigned long i = 0; i < calls; i++) {
        seed = seed * 1664525u + 1013904223u;
        if (seed >> 31)
            f_odd(seed);
        else
            f_even(seed);
    }
}

static TRACED void f_park(void)
{
    __atomic_add_fetch(&parked, 1, __ATOMIC_SEQ_CST);
    for (;;)
        pause();
}

static void *draw_and_park(void *seed)
{
    draw((unsigned)(uintptr_t)seed);
    f_park();
    return NULL;
}

static TRACED void f_inner(const char *how)
{
    if (strcmp(how, "segv") == 0)
        *nowhere = 1;
    if (strcmp(how, "abort") == 0)
        abort();
    if (strcmp(how, "kill") == 0)
        kill(getpid(), SIGKILL);
    _exit(7);
}

static TRACED void f_outer(const char *how)
{
    f_even(1);
    f_inner(how);
    f_odd(1);
}

static void *draw_and_end(void *how)
{
    draw(77);
    f_outer(how);
    return NULL;
}

static TRACED void f_leaf(void)
{
    __asm__ volatile("");
}

static TRACED void f_step(void)
{
    f_leaf();
    __asm__ volatile(""); /* no tail call */
}

static TRACED void f_round(void)
{
    f_leaf();
    f_step();
    f_step();
    __asm__ volatile(""); /* no tail call */
}

static void *cycle(void *unused)
{
    while (!__atomic_load_n(&go, __ATOMIC_RELAXED)) /* relaxed: nothing comes with it */
        usleep(1000);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) { /* relaxed: joined afterwards */
        f_round();
        if (nap)
            usleep(2000);
    }
    return unused;
}

static int cycles(unsigned long threads)
{
    pthread_t ids[THREADS_MAX];
    for (unsigned long i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, cycle, NULL) == 0);
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF)
        __atomic_store_n(&go, 1, __ATOMIC_RELAXED); /* relaxed: nothing comes with it */
    __atomic_store_n(&go, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED); /* relaxed: joined at once */
    for (unsigned long i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    puts("done");
    return 0;
}

int main(int argc, char **argv)
{
    char *how = argc > 1 ? argv[1] : "segv";
    unsigned long threads = argument(argc, argv, 2, 2);
    pthread_t id;
    let_anyone_trace();
    CHECK(threads <= THREADS_MAX);
    nap = argc > 3 && strcmp(argv[3], "nap") == 0;
    go = !nap;
    if (strcmp(how, "cycle") == 0)
        return cycles(threads);
    calls = argument(argc, argv, 3, 20000);
    for (unsigned long i = 0; i < threads; i++)
        CHECK(pthread_create(&id, NULL, draw_and_park, (void *)(uintptr_t)(i + 1)) == 0);
    while (__atomic_load_n(&parked, __ATOMIC_SEQ_CST) < threads)
        usleep(1000);
    if (strcmp(how, "thread") != 0)
        draw_and_end(how);
    CHECK(pthread_create(&id, NULL, draw_and_end, how) == 0);
    for (;;)
        pause();
}
