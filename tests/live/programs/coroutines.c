/* SPDX-License-Identifier: MIT
 *
 * Coroutines by swapcontext: they are switched inside traced functions, and with an argument "wander" they go on in
 * another thread than the one that entered them.
 */
#include "traced.h"
#include <pthread.h>
#include <ucontext.h>

enum { COROUTINES = 8, SWITCHES = 2000, STACK_BYTES = 65536 };

static struct {
    ucontext_t self, back;
    unsigned long switches, sum;
    int done;
} coroutine[COROUTINES];
static char stacks[COROUTINES][STACK_BYTES] __attribute__((aligned(16)));
static unsigned long yields, works, bodies;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int next;

static TRACED void f_yield(int index)
{
    yields++;
    CHECK(swapcontext(&coroutine[index].self, &coroutine[index].back) == 0);
}

static TRACED unsigned long f_work(int index, unsigned long depth)
{
    volatile unsigned long marker = depth * 1000 + (unsigned long)index;
    works++;
    if (depth == 0)
        f_yield(index);
    else
        (void)f_work(index, depth - 1);
    CHECK(marker == depth * 1000 + (unsigned long)index);
    return marker;
}

static TRACED void f_body(int index)
{
    bodies++;
    for (unsigned long i = 0; i < SWITCHES; i++)
        coroutine[index].sum += f_work(index, i % 4);
    coroutine[index].done = 1;
}

static TRACED int f_resume_all(void)
{
    int alive = 0;
    for (int i = 0; i < COROUTINES; i++)
        if (!coroutine[i].done) {
            coroutine[i].switches++;
            CHECK(swapcontext(&coroutine[i].back, &coroutine[i].self) == 0);
            alive = 1;
        }
    return alive;
}

/* Each takes the next coroutine for one step; only one runs at a time. */
static void *wanderer(void *unused)
{
    (void)unused;
    for (int idle = 0; idle < COROUTINES;) {
        pthread_mutex_lock(&lock);
        int i = next++ % COROUTINES;
        idle = coroutine[i].done ? idle + 1 : 0;
        if (!coroutine[i].done) {
            coroutine[i].switches++;
            CHECK(swapcontext(&coroutine[i].back, &coroutine[i].self) == 0);
        }
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void prepare(int i)
{
    CHECK(getcontext(&coroutine[i].self) == 0);
    coroutine[i].self.uc_stack.ss_sp = stacks[i];
    coroutine[i].self.uc_stack.ss_size = STACK_BYTES;
    coroutine[i].self.uc_link = &coroutine[i].back;
    makecontext(&coroutine[i].self, (void (*)(void))(uintptr_t)f_body, 1, i);
}

int main(int argc, char **argv)
{
    int wander = argc > 1 && strcmp(argv[1], "wander") == 0;
    unsigned long rounds = 0, sum = 0;

    for (int i = 0; i < COROUTINES; i++)
        prepare(i);
    if (wander) {
        pthread_t ids[3];
        for (int i = 0; i < 3; i++)
            CHECK(pthread_create(&ids[i], NULL, wanderer, NULL) == 0);
        for (int i = 0; i < 3; i++)
            pthread_join(ids[i], NULL);
    } else {
        while (f_resume_all())
            rounds++;
        rounds++;
        COUNT(f_resume_all, rounds);
    }
    for (int i = 0; i < COROUTINES; i++) {
        CHECK(coroutine[i].switches == SWITCHES + 1);
        sum += coroutine[i].sum;
    }
    printf("sum %lu\n", sum);
    COUNT(f_yield, yields);
    COUNT(f_work, works);
    COUNT(f_body, bodies);
    printf("unreturned 0\n");
    return 0;
}
