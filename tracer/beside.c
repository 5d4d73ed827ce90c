/* SPDX-License-Identifier: MIT
 *
 * A thread beside the session's. See beside.h.
 */
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <tracer/beside.h>

static void *worker(void *pointer)
{
    struct tl_beside *beside = pointer;
    beside->work(beside->argument);
    /* [B1] release: what it has done is seen. Pairs with the acquire in tl_beside_busy(). */
    atomic_store_explicit(&beside->over, true, memory_order_release);
    return NULL;
}

void tl_beside_start(struct tl_beside *beside, void (*work)(void *argument), void *argument)
{
    sigset_t all, before;
    beside->work = work;
    beside->argument = argument;
    beside->over = false;
    beside->wish = NULL;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    beside->busy = sem_init(&beside->answered, 0, 0) == 0;
    if (beside->busy && pthread_create(&beside->thread, NULL, worker, beside) != 0) { /* the worker reads busy */
        sem_destroy(&beside->answered);
        beside->busy = false;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!beside->busy)
        work(argument);
}

bool tl_beside_busy(struct tl_beside *beside)
{
    if (!beside->busy)
        return false;
    /* [B2] acquire: what the worker did before it wished. Pairs with the release in tl_beside_ask(). */
    tl_beside_wish *wish = atomic_load_explicit(&beside->wish, memory_order_acquire);
    if (wish) {
        beside->wish = NULL;
        beside->answer = wish(beside->wish_argument);
        sem_post(&beside->answered);
    }
    /* [B1] acquire: see worker(). */
    if (!atomic_load_explicit(&beside->over, memory_order_acquire))
        return true;
    pthread_join(beside->thread, NULL);
    sem_destroy(&beside->answered);
    beside->busy = false;
    return false;
}

void tl_beside_end(struct tl_beside *beside)
{
    const struct timespec pause = {0, 1000000};
    while (tl_beside_busy(beside))
        nanosleep(&pause, NULL);
}

int tl_beside_ask(struct tl_beside *beside, tl_beside_wish *wish, void *argument)
{
    if (!beside->busy) /* it is the session's thread itself */
        return wish(argument);
    beside->wish_argument = argument;
    /* [B2] release: see tl_beside_busy(). */
    atomic_store_explicit(&beside->wish, wish, memory_order_release);
    while (sem_wait(&beside->answered) != 0 && errno == EINTR)
        ;
    return beside->answer;
}
