/* SPDX-License-Identifier: MIT
 *
 * Threads that have every signal blocked, SIGTRAP and SIGILL included, and one that waits for signals with sigwait.
 * With a second argument they must also read SIGTRAP and SIGILL back as they set them.
 *     blocked [early]      blocks before the threads start, in main; by the library
 *     blocked late         each thread blocks and unblocks in a loop; by the library
 *     blocked raw          by a system call whose number is no constant near it
 *     blocked wait         as early, then waits for a byte on standard input between two rounds: to attach meanwhile
 */
#include "traced.h"
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS = 3, ROUNDS = 3000 };
static int late, raw, waits, reads_back;
static pthread_barrier_t between;

/* The number comes out of memory, so no `mov $14,%eax` stands before the syscall. */
static volatile long mask_number = SYS_rt_sigprocmask;

static void set_mask(int how, const sigset_t *set, sigset_t *old)
{
    if (!raw) {
        CHECK(pthread_sigmask(how, set, old) == 0);
        return;
    }
    long result = mask_number;
    register long size __asm__("r10") = 8;
    __asm__ volatile("syscall" : "+a"(result) : "D"((long)how), "S"(set), "d"(old), "r"(size) : "rcx", "r11", "memory");
    CHECK(result == 0);
}

static TRACED unsigned long f_work(unsigned long x)
{
    return (x ^ 0x55) + 3;
}

static TRACED int f_tiny(void)
{
    return 4;
}

static void some_rounds(void)
{
    for (unsigned long i = 0; i < ROUNDS; i++)
        CHECK(f_work(i) == (i ^ 0x55) + 3 && f_tiny() == 4);
}

static void masks_are(int blocked)
{
    sigset_t now;
    sigemptyset(&now);
    set_mask(SIG_BLOCK, NULL, &now);
    CHECK(!reads_back || sigismember(&now, SIGTRAP) == blocked);
    CHECK(!reads_back || sigismember(&now, SIGILL) == blocked);
    CHECK(sigismember(&now, SIGUSR1) == blocked);
}

static void *thread(void *unused)
{
    sigset_t all, before;
    (void)unused;
    sigfillset(&all);
    if (late) {
        masks_are(0);
        for (int i = 0; i < 100; i++) {
            set_mask(SIG_SETMASK, &all, &before);
            CHECK(f_work(1) == 0x57 && f_tiny() == 4);
            set_mask(SIG_SETMASK, &before, NULL);
            CHECK(f_work(1) == 0x57 && f_tiny() == 4);
        }
        set_mask(SIG_BLOCK, &all, NULL);
    } else if (raw) {
        set_mask(SIG_SETMASK, &all, NULL);
    }
    masks_are(1);
    some_rounds();
    if (waits)
        pthread_barrier_wait(&between);
    if (waits)
        pthread_barrier_wait(&between);
    some_rounds();
    masks_are(1);
    return NULL;
}

static TRACED void f_got(int number)
{
    CHECK(number == SIGUSR1);
}

static void *waiter(void *unused)
{
    sigset_t all;
    int number = 0;
    (void)unused;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    for (int i = 0; i < 50; i++) {
        CHECK(sigwait(&all, &number) == 0);
        f_got(number);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t ids[THREADS], waits_for_signals;
    sigset_t all, before;

    let_anyone_trace();
    late = argc > 1 && strcmp(argv[1], "late") == 0;
    raw = argc > 1 && strcmp(argv[1], "raw") == 0;
    waits = argc > 1 && strcmp(argv[1], "wait") == 0;
    reads_back = argc > 2;
    CHECK(pthread_barrier_init(&between, NULL, THREADS + 1) == 0);
    sigfillset(&all);
    if (!late && !raw)
        CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&ids[i], NULL, thread, NULL) == 0);
    if (late || raw) { /* it must not be born with SIGUSR1 open */
        sigemptyset(&before);
        sigaddset(&before, SIGUSR1);
        CHECK(pthread_sigmask(SIG_BLOCK, &before, NULL) == 0);
    }
    CHECK(pthread_create(&waits_for_signals, NULL, waiter, NULL) == 0);
    for (int i = 0; i < 50; i++) {
        CHECK(pthread_kill(waits_for_signals, SIGUSR1) == 0);
        usleep(500);
    }
    if (waits) {
        char byte;
        pthread_barrier_wait(&between);
        puts("ready");
        fflush(stdout);
        CHECK(read(0, &byte, 1) >= 0);
        pthread_barrier_wait(&between);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    printf("through\n");
    fflush(stdout);
    _exit(0); /* a signal to the waiter may have been merged with the one before: it is not waited for */
}
