/* SPDX-License-Identifier: MIT
 *
 * Holding a thread, and letting it go, again and again: tracer/remote.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <tracer/process.h>
#include <tracer/remote.h>
#include <unistd.h>

enum { HOLDS = 3000, SECONDS = 60, TIMERS = 4, INTERVAL_NS = 10000 };

static _Atomic unsigned long *handled; /* by the target; shared with it */

static void on_signal(int number)
{
    (void)number;
    atomic_fetch_add_explicit(handled, 1, memory_order_relaxed); /* relaxed: a counter */
}

/* A process whose only thread gets signals of timers as fast as they come. These, unlike a signal that is sent, may
 * take back an interrupt that arrives while the kernel takes them off the queue. */
static pid_t start_target(void)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    struct sigaction action = {.sa_handler = on_signal};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec often = {{0, INTERVAL_NS}, {0, INTERVAL_NS}};
    timer_t timer;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < TIMERS; i++)
        if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &often, NULL) != 0)
            _exit(1);
    for (;;)
        __asm__ volatile("" : : : "memory");
}

static void a_thread_is_held_while_signals_arrive(void **state)
{
    char reason[200] = "";
    struct tl_hold hold;
    (void)state;
    handled = mmap(NULL, sizeof(*handled), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(handled, MAP_FAILED);
    pid_t target = start_target();
    int memory = tl_process_memory(target);
    assert_true(memory >= 0);
    alarm(SECONDS); /* a hold that waits for ever is a failure */
    while (*handled == 0)
        usleep(1000);
    for (int i = 0; i < HOLDS; i++) {
        if (!tl_hold_begin(&hold, target, memory, reason, sizeof(reason)))
            fail_msg("time %d: %s", i, reason);
        assert_int_equal(tl_hold_syscall(&hold, SYS_getpid, 0, 0, 0, 0, 0, 0), target);
        tl_hold_end(&hold);
    }
    unsigned long before = *handled;
    while (*handled < before + 1000) /* it goes on */
        usleep(1000);
    alarm(0);
    kill(target, SIGKILL);
    waitpid(target, NULL, 0);
    close(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_thread_is_held_while_signals_arrive)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
