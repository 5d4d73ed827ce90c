/* SPDX-License-Identifier: MIT
 *
 * Who runs through the sites: threads that call all functions and check each result bit by bit, signal handlers that
 * do the same in the middle of that (a timer for each thread, one for the process, and a thread that sends signals),
 * and threads that live for a moment. They count their calls.
 */
#include "torture.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { CALLERS_MAX = 128, HANDLER_CALLS = 4, ARITHMETIC_FLAGS = 0x8d5 };

static struct expected {
    struct torture_state in, out;
} expected[TORTURE_FUNCTIONS_MAX];

static struct caller {
    pthread_t id;
    timer_t timer;
    bool timed;
    uint64_t seed;
    uint64_t calls[TORTURE_FUNCTIONS_MAX];
} callers[CALLERS_MAX];

static struct torture_load load;
static pthread_t sender, churner;
static bool stop;
static uint64_t others[TORTURE_FUNCTIONS_MAX]; /* calls of handlers and of short-lived threads */
static uint64_t handled;

static const uint8_t *entry_of(uint32_t i)
{
    return torture_text + torture_functions[i].entry;
}

/* The same state as when it was learned must come out. Else the program ends at once, so that nothing covers it up. */
static void call(uint32_t i)
{
    struct torture_state out;
    torture_call(entry_of(i), &expected[i].in, &out);
    if (memcmp(&out, &expected[i].out, sizeof(out)) == 0)
        return;
    const struct torture_function *function = &torture_functions[i];
    const uint64_t *is = (const uint64_t *)&out, *was = (const uint64_t *)&expected[i].out;
    for (unsigned k = 0; k < sizeof(out) / 8; k++)
        if (is[k] != was[k])
            fprintf(stderr, "word %u is %#llx, not %#llx\n", k, (unsigned long long)is[k], (unsigned long long)was[k]);
    fprintf(stderr, "WRONG: function %u at %p, flavor %u, pattern %#x, place %u\n", i, (const void *)entry_of(i),
            function->flavor, function->pattern, function->place);
    _exit(98);
}

void torture_learn(void)
{
    uint64_t seed = 1;
    for (uint32_t i = 0; i < torture_count(); i++) {
        struct torture_state *in = &expected[i].in;
        uint8_t *bytes = (uint8_t *)in;
        for (size_t k = 0; k < sizeof(*in); k++)
            bytes[k] = (uint8_t)torture_number(&seed);
        in->flags = (in->flags & ARITHMETIC_FLAGS) | 0x202;
        torture_call(entry_of(i), in, &expected[i].out);
        call(i);
    }
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    static uint64_t seed = 7; /* shared, and a race on it only makes it wilder */
    (void)signal, (void)info, (void)context;
    uint64_t mine = __atomic_fetch_add(&seed, 0x9e3779b97f4a7c15u, __ATOMIC_RELAXED);
    for (unsigned k = 0; k < HANDLER_CALLS; k++) {
        uint32_t i = torture_number(&mine) % torture_count();
        call(i);
        __atomic_fetch_add(&others[i], 1, __ATOMIC_RELAXED);
    }
    __atomic_fetch_add(&handled, HANDLER_CALLS, __ATOMIC_RELAXED);
}

static bool running(void)
{
    return !__atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static void storm_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGALRM);
    sigaddset(set, SIGUSR1);
    sigaddset(set, SIGRTMIN);
}

/* Every other caller takes its signals on a stack of its own. */
static void own_stack(const struct caller *caller)
{
    static uint8_t stacks[CALLERS_MAX][1 << 16];
    size_t i = (size_t)(caller - callers);
    stack_t stack = {.ss_sp = stacks[i], .ss_size = sizeof(stacks[i])};
    if (i % 2 == 0 && sigaltstack(&stack, NULL) != 0)
        abort();
}

static void own_timer(struct caller *caller)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    long ns = load.storm_hz ? 1000000000l / (long)load.storm_hz : 0;
    struct itimerspec often = {{0, ns}, {0, ns}};
    caller->timed = load.storm_hz && timer_create(CLOCK_MONOTONIC, &event, &caller->timer) == 0;
    if (caller->timed)
        timer_settime(caller->timer, 0, &often, NULL);
}

/* A walk over all functions, each time from elsewhere and in another stride. */
static void *work(void *argument)
{
    struct caller *caller = argument;
    uint32_t count = torture_count();
    sigset_t set;
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10); /* callers are many: the poker shall get something done */
    own_stack(caller);
    own_timer(caller);
    storm_signals(&set);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    while (running()) {
        uint32_t at = torture_number(&caller->seed) % count, stride = torture_number(&caller->seed) % 31 * 2 + 1;
        /* Now and then a small loop: the same few sites hot in this core's caches while they change. */
        uint32_t span = torture_number(&caller->seed) % 4 == 0 ? 1 + torture_number(&caller->seed) % 6 : count;
        for (uint32_t k = 0; k < 2000; k++) {
            uint32_t i = (at + k % span * stride) % count;
            call(i);
            caller->calls[i]++;
        }
    }
    if (caller->timed)
        timer_delete(caller->timer);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return NULL;
}

static void *send(void *argument)
{
    uint64_t seed = 3;
    (void)argument;
    while (running()) {
        struct timespec pause = {0, 1000000000l / (long)load.storm_hz};
        pthread_kill(callers[torture_number(&seed) % load.threads].id, SIGUSR1);
        if (torture_number(&seed) % 4 == 0)
            kill(getpid(), SIGALRM);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void *once(void *argument)
{
    uint64_t seed = (uintptr_t)argument;
    for (unsigned k = 0; k < 200; k++) {
        uint32_t i = torture_number(&seed) % torture_count();
        call(i);
        __atomic_fetch_add(&others[i], 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void *churn(void *argument)
{
    (void)argument;
    for (uintptr_t n = 1; running(); n++) {
        pthread_t id;
        struct timespec pause = {0, 10000000};
        if (pthread_create(&id, NULL, once, (void *)n) != 0 || pthread_join(id, NULL) != 0)
            abort();
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void begin(pthread_t *id, void *(*run)(void *), void *argument)
{
    if (pthread_create(id, NULL, run, argument) != 0) {
        perror("pthread_create");
        exit(1);
    }
}

void torture_calls_start(const struct torture_load *wanted)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    static const int signals[] = {SIGALRM, SIGUSR1};
    sigset_t set;
    load = *wanted;
    if (load.threads > CALLERS_MAX)
        load.threads = CALLERS_MAX;
    for (unsigned i = 0; i < 2; i++)
        sigaction(signals[i], &action, NULL);
    sigaction(SIGRTMIN, &action, NULL);
    storm_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* the poker takes none, as the agent's thread does */
    for (unsigned i = 0; i < load.threads; i++) {
        callers[i].seed = i + 11;
        begin(&callers[i].id, work, &callers[i]);
    }
    if (load.storm_hz)
        begin(&sender, send, NULL);
    if (load.churn)
        begin(&churner, churn, NULL);
}

void torture_calls_stop(void)
{
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    if (load.storm_hz)
        pthread_join(sender, NULL);
    if (load.churn)
        pthread_join(churner, NULL);
    for (unsigned i = 0; i < load.threads; i++)
        pthread_join(callers[i].id, NULL);
}

uint64_t torture_calls(uint64_t *counts, uint64_t *in_handlers)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < torture_count(); i++) {
        uint64_t here = __atomic_load_n(&others[i], __ATOMIC_RELAXED);
        for (unsigned k = 0; k < load.threads; k++)
            here += callers[k].calls[i];
        if (counts)
            counts[i] = here;
        sum += here;
    }
    *in_handlers = __atomic_load_n(&handled, __ATOMIC_RELAXED);
    return sum;
}
