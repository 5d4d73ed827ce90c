/* SPDX-License-Identifier: MIT
 *
 * Work that takes long, done by another thread, so that the session's own goes on draining: a ring that nobody empties
 * is full after some milliseconds, and planning a library or taking thousands of sites out takes longer. Called by
 * session.c. The worker has the modules, the agent's commands and what it was given to itself; the drain and the
 * writer stay the session's thread's, which does for the worker what that asks for.
 */
#ifndef TL_TRACER_BESIDE_H
#define TL_TRACER_BESIDE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef int tl_beside_wish(void *argument);

struct tl_beside {
    void (*work)(void *argument);
    void *argument;
    pthread_t thread;
    bool busy; /* the session's thread's own */
    _Atomic bool over;
    _Atomic(tl_beside_wish *) wish;
    void *wish_argument;
    int answer;
    sem_t answered;
};

/* Starts work(argument), while none is under way, with all signals blocked. Where no thread can be had, it has been
 * done when this returns. */
void tl_beside_start(struct tl_beside *beside, void (*work)(void *argument), void *argument);

/* To be called often by the session's thread: fulfils the worker's wish. True while it is at work. */
bool tl_beside_busy(struct tl_beside *beside);

/* Waits for its end. */
void tl_beside_end(struct tl_beside *beside);

/* In the worker: has the session's thread call wish(argument); returns what that returned. While no worker is busy:
 * calls it. */
int tl_beside_ask(struct tl_beside *beside, tl_beside_wish *wish, void *argument);

#endif
