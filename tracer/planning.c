/* SPDX-License-Identifier: MIT
 *
 * Modules planned side by side. See planning.h. Called by modules.c.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <tracer/planning.h>
#include <tracer/progress.h>

#define THREADS_MAX 8
#define GUARDS_PART 4 /* guards alone take so much less than a plan, or less */

struct work {
    struct tl_planning **order;
    size_t count;
    _Atomic size_t next;
};

static void plan(struct tl_planning *planning)
{
    char *reason = planning->reason;
    if (!planning->path)
        return;
    if (!planning->filter)
        planning->module = tl_module_open_guards(planning->path, planning->label, reason, sizeof(planning->reason));
    else
        planning->module = tl_module_open(planning->path, planning->label, reason, sizeof(planning->reason));
    planning->selected = planning->filter && planning->module &&
                         tl_module_select(planning->module, planning->filter) != 0 && tl_module_plan(planning->module);
}

/* The next one that nobody has taken; NULL at the end. Relaxed: what was filled is seen by who was started after, what
 * is made by who joins. */
static struct tl_planning *take(struct work *work)
{
    size_t i = atomic_fetch_add_explicit(&work->next, 1, memory_order_relaxed);
    return i < work->count ? work->order[i] : NULL;
}

static void *thread_main(void *argument)
{
    for (struct tl_planning *planning; (planning = take(argument));)
        plan(planning);
    return NULL;
}

static uint64_t weight(const struct tl_planning *planning)
{
    return planning->filter ? GUARDS_PART * planning->bytes : planning->bytes;
}

static int by_weight(const void *a, const void *b)
{
    uint64_t x = weight(*(struct tl_planning *const *)a), y = weight(*(struct tl_planning *const *)b);
    return x > y ? -1 : x < y;
}

/* Signals are for the thread that expects them. */
static size_t start(pthread_t *threads, size_t count, struct work *work)
{
    sigset_t all, before;
    size_t started = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < count && pthread_create(&threads[started], NULL, thread_main, work) == 0)
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

void tl_planning_run(struct tl_planning *plannings, size_t count)
{
    cpu_set_t set;
    pthread_t threads[THREADS_MAX];
    struct work work = {.order = calloc(count + 1, sizeof(*work.order)), .count = count};
    size_t useful = sched_getaffinity(0, sizeof(set), &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
    useful = useful < THREADS_MAX ? useful : THREADS_MAX;
    useful = useful < count ? useful : count;
    for (size_t i = 0; i < count && !work.order; i++) /* one after the other, then */
        plan(&plannings[i]);
    if (!work.order || count == 0) {
        free(work.order);
        return;
    }
    for (size_t i = 0; i < count; i++)
        work.order[i] = &plannings[i];
    qsort(work.order, count, sizeof(*work.order), by_weight);
    size_t started = start(threads, useful - 1, &work);
    for (struct tl_planning *planning; (planning = take(&work));) {
        tl_progress("planning '%s'", planning->label);
        plan(planning);
    }
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    free(work.order);
}
