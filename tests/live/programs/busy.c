/* SPDX-License-Identifier: MIT
 *
 * The target to attach to: T threads call functions of all prologue shapes as fast as they can and miss no call.
 *     busy T [churn]           with "churn" another thread starts threads and children all the time
 * Standard input, a line each: g forgets the longest gaps; p prints "rounds N gap_ns N" (the longest time between two
 * loop iterations of a thread since g); the end of input ends it: "done", and status 0 if nothing was ever wrong.
 */
/* build: tests/live/asm/toggles.S */
#include "traced.h"
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

typedef void toggle(unsigned long *count);
extern toggle *const toggles[];

enum { THREADS_MAX = 64 };
static int stop;
static struct worker {
    unsigned long rounds, gap_ns, forget;
} __attribute__((aligned(128))) workers[THREADS_MAX];

static TRACED unsigned long f_leaf(unsigned long x)
{
    return x * 2 + 1;
}

static TRACED unsigned long f_nest(unsigned long x, int depth)
{
    unsigned long below = depth ? f_nest(f_leaf(x), depth - 1) : x;
    KEEP(below);
    return below + 1;
}

static TRACED double f_real(double x, double y)
{
    return x / y + 0.5;
}

static TRACED void f_round(unsigned long i)
{
    unsigned long count = 0, calls = 0;
    for (int repeat = 0; repeat < 4; repeat++)
        for (toggle *const *next = toggles; *next; next++) {
            (*next)(&count);
            calls++;
            if (count != calls) {
                fprintf(stderr, "a lost or doubled call: %lu made, %lu arrived\n", calls, count);
                exit(98);
            }
        }
    volatile double x = (double)(i & 1023);
    CHECK(f_nest(i, 3) == i * 8 + 7 + 4);
    CHECK(f_real(x, 4) == x / 4 + 0.5);
}

static void *work(void *argument_pointer)
{
    struct worker *mine = argument_pointer;
    uint64_t last = now_ns();
    for (unsigned long i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
        f_round(i);
        uint64_t now = now_ns();
        if (__atomic_exchange_n(&mine->forget, 0, __ATOMIC_RELAXED))
            mine->gap_ns = 0;
        else if (now - last > mine->gap_ns)
            mine->gap_ns = now - last;
        last = now;
        mine->rounds++;
    }
    return NULL;
}

static void *one_round(void *unused)
{
    f_round(7);
    return unused;
}

static void *churn(void *unused)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        pthread_t id;
        int status;
        for (int i = 0; i < 5; i++)
            CHECK(pthread_create(&id, NULL, one_round, NULL) == 0 && pthread_join(id, NULL) == 0);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            f_round(9);
            _exit(17);
        }
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 17);
        usleep(500);
    }
    return unused;
}

static void show(unsigned long threads)
{
    unsigned long rounds = 0, gap = 0;
    for (unsigned long i = 0; i < threads; i++) {
        rounds += workers[i].rounds;
        if (workers[i].gap_ns > gap)
            gap = workers[i].gap_ns;
    }
    printf("rounds %lu gap_ns %lu\n", rounds, gap);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    unsigned long threads = argument(argc, argv, 1, 2);
    int churning = argc > 2;
    pthread_t ids[THREADS_MAX], other;
    char line[16];

    let_anyone_trace();
    CHECK(threads <= THREADS_MAX);
    for (unsigned long i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, work, &workers[i]) == 0);
    if (churning)
        CHECK(pthread_create(&other, NULL, churn, NULL) == 0);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (line[0] == 'g')
            for (unsigned long i = 0; i < threads; i++)
                __atomic_store_n(&workers[i].forget, 1, __ATOMIC_RELAXED);
        if (line[0] == 'p')
            show(threads);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (unsigned long i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    if (churning)
        CHECK(pthread_join(other, NULL) == 0);
    puts("done");
    return 0;
}
