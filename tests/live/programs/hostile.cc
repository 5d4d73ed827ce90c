/* SPDX-License-Identifier: MIT
 *
 * The target that does what programs should not do, as often as it can, and checks itself all the while:
 *     hostile KIND [LIBRARY]
 *         jumps       timers whose handlers leave by siglongjmp, on alternate stacks and on the thread's own
 *         threads     a hundred threads at once, each living for a moment
 *         forks       children that fork children, three deep, each calling and ending in another way
 *         spawns      posix_spawn, vfork and system, from several threads at once
 *         throws      exceptions through many frames, from several threads, under a timer
 *         libraries   dlopen, call, dlclose of LIBRARY, from several threads
 * Standard input: p prints "rounds N"; its end ends it: "done", and status 0 if nothing was ever wrong.
 */
#include "traced.h"
#include <atomic>
#include <csetjmp>
#include <csignal>
#include <dlfcn.h>
#include <pthread.h>
#include <spawn.h>
#include <stdexcept>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { WORKERS = 4, CROWD = 100, STORM_NS = 300000 };

static std::atomic<bool> stop;
static std::atomic<unsigned long> rounds;
static const char *library;
static void (*round_of_kind)(unsigned long);
static bool storming;

/* ---- what is called ---- */

static TRACED unsigned long f_leaf(unsigned long x)
{
    return x * 3 + 1;
}
static TRACED unsigned long f_deep(unsigned long x, int depth)
{
    unsigned long below = depth ? f_deep(f_leaf(x), depth - 1) : f_leaf(x);
    KEEP(below);
    return below + 1;
}
static TRACED void f_work(unsigned long x)
{
    unsigned long expected = x;
    for (int i = 0; i < 6; i++)
        expected = expected * 3 + 1;
    CHECK(f_deep(x, 5) == expected + 6);
}

/* ---- signals ---- */

static thread_local sigjmp_buf back;
static thread_local volatile sig_atomic_t may_jump;
static thread_local char own_stack[1 << 16];

static TRACED void f_handler(int)
{
    int kept = errno;
    f_work(5);
    errno = kept;
    if (may_jump) {
        may_jump = 0;
        siglongjmp(back, 1);
    }
}

/* A timer of this thread's own; every second thread takes its signals on another stack. */
static timer_t storm(unsigned long seed)
{
    struct sigaction action = {};
    stack_t stack = {};
    struct sigevent event = {};
    timer_t timer;
    stack.ss_sp = own_stack;
    stack.ss_size = sizeof(own_stack);
    CHECK(seed % 2 || sigaltstack(&stack, nullptr) == 0);
    action.sa_handler = f_handler;
    action.sa_flags = SA_ONSTACK | SA_RESTART;
    CHECK(sigaction(SIGRTMIN, &action, nullptr) == 0);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGRTMIN;
    event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec often = {{0, STORM_NS}, {0, STORM_NS}};
    CHECK(timer_settime(timer, 0, &often, nullptr) == 0);
    return timer;
}

/* ---- the kinds ---- */

static TRACED void f_jumps(unsigned long round)
{
    static thread_local volatile unsigned long left;
    if (sigsetjmp(back, 1) == 0) {
        may_jump = 1;
        for (unsigned long i = 0; may_jump && i < 200000; i++)
            f_work(round + i);
        may_jump = 0;
    } else {
        left = left + 1;
    }
}

static void *briefly(void *argument)
{
    f_work(reinterpret_cast<unsigned long>(argument));
    if (reinterpret_cast<unsigned long>(argument) % 3 == 0)
        pthread_exit(argument);
    return argument;
}
static TRACED void f_threads(unsigned long round)
{
    pthread_t ids[CROWD / WORKERS];
    void *result;
    for (unsigned long i = 0; i < CROWD / WORKERS; i++)
        CHECK(pthread_create(&ids[i], nullptr, briefly, reinterpret_cast<void *>(round + i)) == 0);
    for (unsigned long i = 0; i < CROWD / WORKERS; i++) {
        CHECK(pthread_join(ids[i], &result) == 0);
        CHECK(result == reinterpret_cast<void *>(round + i));
    }
}

static void expect(pid_t child, int how)
{
    int status;
    CHECK(child > 0);
    while (waitpid(child, &status, 0) != child)
        CHECK(errno == EINTR);
    CHECK(how < 0 ? WIFSIGNALED(status) && WTERMSIG(status) == -how : WIFEXITED(status) && WEXITSTATUS(status) == how);
}
static TRACED void f_forks(unsigned long round)
{
    for (int depth = 0; depth < 3; depth++) {
        pid_t child = fork();
        if (child != 0) {
            f_work(round);
            expect(child, depth == 2 ? -SIGKILL : 10 + depth);
            if (depth == 0)
                return;
            _exit(9 + depth);
        }
        f_work(round + 1);
    }
    kill(getpid(), SIGKILL);
}

static TRACED void f_spawns(unsigned long round)
{
    static const char *const words[] = {"sh", "-c", "exit 7", nullptr};
    char *const *argv = const_cast<char *const *>(words);
    pid_t child;
    CHECK(posix_spawn(&child, "/bin/sh", nullptr, nullptr, argv, environ) == 0);
    f_work(round);
    expect(child, 7);
    child = vfork();
    if (child == 0) {
        execve("/bin/sh", argv, environ);
        _exit(1);
    }
    expect(child, 7);
    CHECK(WEXITSTATUS(system("exit 3")) == 3);
}

struct Cleanup {
    unsigned long &count;
    ~Cleanup()
    {
        count++;
    }
};
static TRACED unsigned long f_thrower(unsigned long x, int depth, unsigned long &cleanups)
{
    Cleanup cleanup{cleanups};
    if (depth == 0)
        throw std::runtime_error("deep");
    unsigned long below = f_thrower(f_leaf(x), depth - 1, cleanups);
    KEEP(below);
    return below;
}
static TRACED void f_throws(unsigned long round)
{
    unsigned long cleanups = 0;
    bool caught = false;
    try {
        f_thrower(round, 12, cleanups);
    } catch (const std::runtime_error &error) {
        caught = strcmp(error.what(), "deep") == 0;
    }
    CHECK(caught && cleanups == 13);
}

static TRACED void f_libraries(unsigned long round)
{
    void *handle = dlopen(library, round % 2 ? RTLD_NOW : RTLD_LAZY);
    CHECK(handle);
    auto sort = reinterpret_cast<unsigned long (*)(unsigned long)>(dlsym(handle, "p_sort"));
    CHECK(sort && sort(round) == 1);
    CHECK(dlclose(handle) == 0);
    f_work(round);
}

static const struct {
    const char *name;
    void (*round)(unsigned long);
    bool storm;
} kinds[] = {{"jumps", f_jumps, true},    {"threads", f_threads, false}, {"forks", f_forks, false},
             {"spawns", f_spawns, false}, {"throws", f_throws, true},    {"libraries", f_libraries, true}};

static void *work(void *argument)
{
    auto seed = reinterpret_cast<unsigned long>(argument);
    timer_t timer = storming ? storm(seed) : timer_t();
    for (unsigned long round = seed; !stop; round += WORKERS) {
        round_of_kind(round);
        rounds++;
    }
    if (storming)
        timer_delete(timer);
    return nullptr;
}

int main(int argc, char **argv)
{
    pthread_t ids[WORKERS];
    char line[16];
    let_anyone_trace();
    for (const auto &kind : kinds)
        if (argc > 1 && strcmp(argv[1], kind.name) == 0) {
            round_of_kind = kind.round;
            storming = kind.storm;
        }
    library = argc > 2 ? argv[2] : "";
    CHECK(round_of_kind);
    for (unsigned long i = 0; i < WORKERS; i++)
        CHECK(pthread_create(&ids[i], nullptr, work, reinterpret_cast<void *>(i)) == 0);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin))
        if (line[0] == 'p') {
            printf("rounds %lu\n", rounds.load());
            fflush(stdout);
        }
    stop = true;
    for (unsigned long i = 0; i < WORKERS; i++)
        CHECK(pthread_join(ids[i], nullptr) == 0);
    puts("done");
    return 0;
}
