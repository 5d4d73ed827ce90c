/* SPDX-License-Identifier: MIT
 *
 * Threads that end in the middle of traced functions: pthread_cancel deferred and asynchronous, pthread_exit from
 * depth, each with cleanup handlers that must run in order.
 */
#include "traced.h"
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

enum { ROUNDS = 200 };
static sem_t ready;
static unsigned long cleanups, wrong_order;
static int pipes[2];

struct depth {
    int now;
};

static void cleaned(void *argument)
{
    struct depth *depth = argument;
    __atomic_fetch_add(&cleanups, 1, __ATOMIC_RELAXED);
    if (depth->now-- <= 0)
        __atomic_fetch_add(&wrong_order, 1, __ATOMIC_RELAXED);
}

static TRACED void f_wait(void)
{
    char byte;
    sem_post(&ready);
    CHECK(read(pipes[0], &byte, 1) == 1); /* never: the cancellation point */
}

static TRACED void f_spin(void)
{
    sem_post(&ready);
    for (;;)
        __asm__ volatile("pause");
}

static TRACED void f_leave(void)
{
    pthread_exit((void *)7);
}

static TRACED void f_nest(struct depth *depth, int frames, void (*end)(void))
{
    depth->now++;
    pthread_cleanup_push(cleaned, depth);
    if (frames > 1)
        f_nest(depth, frames - 1, end);
    else
        end();
    pthread_cleanup_pop(0);
}

static void *deferred(void *unused)
{
    struct depth depth = {0};
    (void)unused;
    f_nest(&depth, 5, f_wait);
    return NULL;
}

static void *asynchronous(void *unused)
{
    struct depth depth = {0};
    (void)unused;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    f_nest(&depth, 3, f_spin);
    return NULL;
}

static void *exits(void *unused)
{
    struct depth depth = {0};
    (void)unused;
    f_nest(&depth, 4, f_leave);
    return NULL;
}

static void *run(void *(*body)(void *), int cancel)
{
    pthread_t id;
    void *result;
    CHECK(pthread_create(&id, NULL, body, NULL) == 0);
    if (cancel) {
        while (sem_wait(&ready) != 0)
            ;
        CHECK(pthread_cancel(id) == 0);
    }
    CHECK(pthread_join(id, &result) == 0);
    return result;
}

int main(void)
{
    CHECK(sem_init(&ready, 0, 0) == 0 && pipe(pipes) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(run(deferred, 1) == PTHREAD_CANCELED);
        CHECK(run(asynchronous, 1) == PTHREAD_CANCELED);
        CHECK(run(exits, 0) == (void *)7);
    }
    CHECK(cleanups == ROUNDS * (5 + 3 + 4) && wrong_order == 0);
    COUNT(f_nest, ROUNDS * (5 + 3 + 4));
    COUNT(f_wait, ROUNDS);
    COUNT(f_spin, ROUNDS);
    COUNT(f_leave, ROUNDS);
    printf("unreturned %d\n", ROUNDS * (6 + 4 + 5));
    return 0;
}
