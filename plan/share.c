/* SPDX-License-Identifier: MIT
 *
 * The first round of the walk over all functions, shared out among threads. Each takes a run of functions and walks it
 * with tables of its own, as if nobody had walked before; then the runs are put together in order. What one run can
 * know of another is which cold parts have an owner, and how much of the budget is left: where that would have
 * mattered, the run is walked again, with everything before it known. So the result is that of one thread, whatever
 * the number of threads. Called by rounds.c.
 */
#include <plan/flow.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 8
#define RUN_BYTES_MIN (512 * 1024) /* less is not worth a thread */

struct run {
    struct tli_module m; /* a copy: its own tables of what is found, the file's tables of what is known */
    struct tli_flow flow;
    uint32_t first, end; /* functions */
    uint64_t budget;     /* at the start */
    pthread_t thread;
    bool started;
};

static void walk_run(struct tli_flow *f, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end && !f->m->out_of_memory; i++)
        tli_flow_function(f, i);
}

static void *thread_main(void *argument)
{
    struct run *run = argument;
    walk_run(&run->flow, run->first, run->end);
    return NULL;
}

static size_t words_of(const struct tli_region *region)
{
    return (size_t)((region->end - region->start) / 64 + 1);
}

static bool prepare(struct run *run, const struct tli_flow *f)
{
    struct tli_module *m = &run->m;
    bool ok = true;
    *m = *f->m;
    m->exits = NULL;
    m->leaps = NULL;
    m->refs = NULL;
    m->exit_count = m->exit_capacity = m->leap_count = m->leap_capacity = m->ref_count = m->ref_capacity = 0;
    m->colds = calloc(m->cold_count + 1, sizeof *m->colds);
    if (m->colds && m->cold_count)
        memcpy(m->colds, f->m->colds, m->cold_count * sizeof *m->colds);
    for (size_t i = 0; i < m->region_count; i++) {
        struct tli_region *region = &m->regions[i];
        size_t words = words_of(region);
        region->starts = calloc(words, 8);
        region->targets = calloc(words, 8);
        region->taken = calloc(words, 8);
        ok &= region->starts && region->targets && region->taken;
    }
    run->budget = f->budget;
    run->flow = (struct tli_flow){.m = m, .budget = f->budget, .round = f->round, .pads = calloc(TLI_PADS_MAX, 8)};
    return ok && m->colds && run->flow.pads;
}

static void dispose(struct run *run)
{
    for (size_t i = 0; i < run->m.region_count; i++) {
        free(run->m.regions[i].starts);
        free(run->m.regions[i].targets);
        free(run->m.regions[i].taken);
    }
    free(run->m.colds);
    free(run->m.exits);
    free(run->m.leaps);
    free(run->m.refs);
    tli_flow_release(&run->flow);
}

/* Would the walk have been the same after all that has been walked by now. */
static bool holds(const struct run *run, const struct tli_flow *f)
{
    if (!run->started || run->m.out_of_memory || run->flow.starved || run->budget - run->flow.budget > f->budget)
        return false;
    for (size_t i = 0; i < run->m.cold_count; i++)
        if (run->m.colds[i].owner != TLI_NO_INDEX && f->m->colds[i].owner != TLI_NO_INDEX)
            return false;
    return true;
}

static void join_bits(uint64_t *to, const uint64_t *from, size_t words)
{
    for (size_t i = 0; i < words; i++)
        to[i] |= from[i];
}

static void adopt(struct run *run, struct tli_flow *f)
{
    struct tli_module *m = f->m;
    uint32_t exits_before = (uint32_t)m->exit_count;
    for (size_t i = 0; i < run->m.region_count; i++) {
        size_t words = words_of(&m->regions[i]);
        join_bits(m->regions[i].starts, run->m.regions[i].starts, words);
        join_bits(m->regions[i].targets, run->m.regions[i].targets, words);
        join_bits(m->regions[i].taken, run->m.regions[i].taken, words);
    }
    for (size_t i = 0; i < run->m.cold_count; i++)
        if (run->m.colds[i].owner != TLI_NO_INDEX)
            m->colds[i] = run->m.colds[i];
    for (uint32_t i = run->first; i < run->end; i++)
        m->facts[i].exit_first += exits_before;
    for (size_t i = 0; i < run->m.exit_count; i++)
        TLI_PUSH(m, m->exits, m->exit_count, m->exit_capacity, run->m.exits[i]);
    for (size_t i = 0; i < run->m.leap_count; i++)
        TLI_PUSH(m, m->leaps, m->leap_count, m->leap_capacity, run->m.leaps[i]);
    for (size_t i = 0; i < run->m.ref_count; i++)
        TLI_PUSH(m, m->refs, m->ref_count, m->ref_capacity, run->m.refs[i]);
    for (size_t i = 0; i < run->flow.deferred_count; i++)
        TLI_PUSH(m, f->deferred, f->deferred_count, f->deferred_capacity, run->flow.deferred[i]);
    f->budget -= run->budget - run->flow.budget;
    f->proven += run->flow.proven;
}

/* What a failed walk has left in its functions' facts; the next one begins as the first did. */
static void forget(struct run *run, struct tli_module *m)
{
    for (uint32_t i = run->first; i < run->end; i++) {
        m->facts[i].cold = TLI_NO_INDEX;
        m->facts[i].doubts = 0;
        m->facts[i].exit_count = 0;
    }
}

static size_t threads_for(const struct tl_module *module)
{
    cpu_set_t set;
    uint64_t bytes = 0;
    for (size_t i = 0; i < module->function_count; i++)
        bytes += module->functions[i].size;
    size_t processors = sched_getaffinity(0, sizeof set, &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
    size_t useful = (size_t)(bytes / RUN_BYTES_MIN) + 1;
    size_t count = processors < useful ? processors : useful;
    return count < THREADS_MAX ? count : THREADS_MAX;
}

/* The function behind those that together have a share of all bytes. */
static uint32_t share_end(const struct tl_module *module, size_t share, size_t shares)
{
    uint64_t total = 0, bytes = 0;
    uint32_t i = 0;
    if (share == shares)
        return (uint32_t)module->function_count;
    for (size_t f = 0; f < module->function_count; f++)
        total += module->functions[f].size;
    while (i < module->function_count && bytes < total / shares * share)
        bytes += module->functions[i++].size;
    return i;
}

/* Signals are for the thread that expects them. */
static void start(struct run *run)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    run->started = pthread_create(&run->thread, NULL, thread_main, run) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void tli_flow_first_round(struct tli_flow *f)
{
    const struct tl_module *module = f->m->module;
    size_t threads = threads_for(module);
    struct run *runs = threads > 1 ? calloc(threads - 1, sizeof *runs) : NULL;
    uint32_t end = share_end(module, 1, runs ? threads : 1);
    for (size_t i = 0; runs && i + 1 < threads; i++) {
        runs[i].first = share_end(module, i + 1, threads);
        runs[i].end = share_end(module, i + 2, threads);
        if (prepare(&runs[i], f))
            start(&runs[i]);
    }
    walk_run(f, 0, end); /* the first run is ours, and is right */
    for (size_t i = 0; runs && i + 1 < threads; i++) {
        if (runs[i].started)
            pthread_join(runs[i].thread, NULL);
        if (holds(&runs[i], f)) {
            adopt(&runs[i], f);
        } else {
            forget(&runs[i], f->m);
            walk_run(f, runs[i].first, runs[i].end);
        }
        dispose(&runs[i]);
    }
    free(runs);
}
