/* SPDX-License-Identifier: MIT
 *
 * The scheduler: tasks on stacks of their own, of which one runs until its next stop, and the search through all
 * choices. The search replays: an execution is the list of its choices, the next one differs in the last choice that
 * has another value left. A state that was seen before is not gone into again. What a task does is not known here.
 */
#include <port/sim/sim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <trapline/port.h>
#include <ucontext.h>

#define STACK_BYTES (256u * 1024)
#define CHOICES_MAX 4096u
#define TRACE_MAX 4096u
#define TURNS_MAX 1000000u /* of one execution */

struct task {
    ucontext_t context;
    char *stack;
    uint64_t stops;
    bool live;
};

struct choice {
    unsigned taken, count;
};

struct trace {
    const char *what;
    uintptr_t address;
    unsigned value, task;
};

enum mode { REPLAY, RANDOM };

static const struct tl_sim_run *now;
static struct task tasks[TL_SIM_TASKS];
static ucontext_t scheduler;
static unsigned running;
static bool in_task;

static struct choice choices[CHOICES_MAX];
static size_t choice_count, choice_next; /* known from the execution before; made in this one */
static bool old_state;                   /* this execution is where another one has been: run it out, no more choices */
static unsigned turn;
static enum mode mode;
static uint64_t random_state;

static struct trace traces[TRACE_MAX];
static size_t trace_count;
static const char *failure;

/* A set of the states that were seen: open addressing, doubled when half full. */
static uint64_t *seen;
static size_t seen_count, seen_room;

static bool seen_before(uint64_t state)
{
    state += state == 0;
    if (2 * seen_count >= seen_room) {
        size_t room = seen_room ? 2 * seen_room : 1024, had = seen_room;
        uint64_t *old = seen;
        seen = calloc(room, sizeof(*seen));
        TL_ASSERT(seen);
        seen_room = room;
        seen_count = 0;
        for (size_t i = 0; i < had; i++)
            if (old[i])
                (void)seen_before(old[i]);
        free(old);
    }
    size_t at = state % seen_room;
    while (seen[at] && seen[at] != state)
        at = (at + 1) % seen_room;
    if (seen[at])
        return true;
    seen[at] = state;
    seen_count++;
    return false;
}

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

unsigned tl_sim_choose(unsigned count)
{
    if (count < 2 || old_state || !now)
        return 0;
    if (mode == RANDOM)
        return (unsigned)(random_next() >> 33) % count;
    if (choice_next == choice_count) {
        TL_ASSERT(choice_count < CHOICES_MAX);
        choices[choice_count++] = (struct choice){0, count};
    }
    TL_ASSERT(choices[choice_next].count == count); /* else a task depends on something that is no choice */
    return choices[choice_next++].taken;
}

unsigned tl_sim_task(void)
{
    return running;
}

uint64_t tl_sim_progress(unsigned task)
{
    return tasks[task].stops;
}

static void yield(void)
{
    in_task = false;
    swapcontext(&tasks[running].context, &scheduler);
    in_task = true;
}

void tl_sim_stop(const char *what, uintptr_t address, unsigned value)
{
    if (!in_task)
        return;
    tasks[running].stops++;
    yield();
    if (trace_count < TRACE_MAX)
        traces[trace_count++] = (struct trace){what, address, value, running};
}

/* A waiting loop makes no progress: the state is as before, so the search does not stay in it. */
void tl_port_relax(void)
{
    if (in_task)
        yield();
}

void tl_sim_fail(const char *claim)
{
    if (!failure)
        failure = claim;
    if (trace_count < TRACE_MAX)
        traces[trace_count++] = (struct trace){claim, 0, 0, running};
}

bool tl_sim_failed(void)
{
    return failure != 0;
}

static void trampoline(void)
{
    in_task = true;
    now->task[running]();
    in_task = false;
    tasks[running].live = false;
    swapcontext(&tasks[running].context, &scheduler);
}

static void start(unsigned i)
{
    struct task *task = &tasks[i];
    task->live = now->task[i] != 0;
    task->stops = 0;
    if (!task->live)
        return;
    if (!task->stack)
        task->stack = malloc(STACK_BYTES);
    TL_ASSERT(task->stack);
    getcontext(&task->context);
    task->context.uc_stack.ss_sp = task->stack;
    task->context.uc_stack.ss_size = STACK_BYTES;
    task->context.uc_link = 0;
    makecontext(&task->context, trampoline, 0);
}

/* Which task runs next. */
static unsigned pick(const unsigned *live, unsigned count)
{
    if (mode == REPLAY && !old_state && choice_next == choice_count && count > 1) {
        uint64_t state = now->state();
        for (unsigned i = 0; i < count; i++)
            state = tl_sim_mix(state, live[i]);
        old_state = seen_before(state);
    }
    return old_state ? live[turn++ % count] : live[tl_sim_choose(count)];
}

static void execute(void)
{
    trace_count = choice_next = 0;
    old_state = false;
    now->before();
    for (unsigned i = 0; i < TL_SIM_TASKS; i++)
        start(i);
    for (unsigned turns = 0;; turns++) {
        unsigned live[TL_SIM_TASKS], count = 0;
        if (turns == TURNS_MAX)
            tl_port_panic(failure ? failure : "an execution does not end");
        for (unsigned i = 0; i < TL_SIM_TASKS; i++)
            if (tasks[i].live)
                live[count++] = i;
        if (count == 0)
            break;
        running = pick(live, count);
        swapcontext(&scheduler, &tasks[running].context);
    }
    now->after();
}

/* On to the next execution; false when all have been. */
static bool next_choices(void)
{
    while (choice_count && choices[choice_count - 1].taken + 1 == choices[choice_count - 1].count)
        choice_count--;
    if (choice_count)
        choices[choice_count - 1].taken++;
    return choice_count != 0;
}

static void print_trace(void)
{
    fprintf(stderr, "%s; the way there:\n", failure);
    for (size_t i = 0; i < trace_count; i++) {
        const struct trace *t = &traces[i];
        fprintf(stderr, "  %*s%s %#lx %#x\n", (int)(24 * t->task), "", t->what, (unsigned long)t->address, t->value);
    }
}

static struct tl_sim_result finish(uint64_t executions)
{
    struct tl_sim_result result = {executions, seen_count, failure};
    if (failure)
        print_trace();
    now = 0;
    free(seen);
    seen = 0;
    seen_count = seen_room = 0;
    return result;
}

static void begin(const struct tl_sim_run *run, enum mode how)
{
    now = run;
    mode = how;
    failure = 0;
    choice_count = 0;
    turn = 0;
}

struct tl_sim_result tl_sim_every(const struct tl_sim_run *run, uint64_t executions_max)
{
    uint64_t executions = 0;
    begin(run, REPLAY);
    do {
        execute();
        executions++;
    } while (!failure && next_choices() && executions < executions_max);
    if (!failure && choice_count)
        failure = "the search has not come to its end";
    return finish(executions);
}

struct tl_sim_result tl_sim_random(const struct tl_sim_run *run, uint64_t seed, uint64_t executions)
{
    uint64_t done = 0;
    begin(run, RANDOM);
    random_state = seed * 2 + 1;
    while (!failure && done < executions) {
        execute();
        done++;
    }
    return finish(done);
}
