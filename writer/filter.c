/* SPDX-License-Identifier: MIT
 *
 * The filter of calls by time, depth and function. It keeps the thread's stack of calls; on it, what is decided (told,
 * or never to be told) lies below what is not known to be long enough yet. As outer calls are older than inner ones,
 * they are decided first, and what comes out is in order by itself. An exit that must wait for entries before it lies
 * on the stack among them. Called by tracer/ and reader/.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wire/event.h>
#include <writer/filter.h>

#define STACK_MAX ((size_t)1 << 20)
#define ASIDE_MAX 4096

enum state {
    WAITS,   /* an entry that is not long enough yet */
    TOLD,    /* its entry came out */
    SKIPPED, /* hidden or too deep: never told */
    EXIT,    /* not a call: an exit that comes out when all before it has */
};

struct frame {
    uint64_t time;
    uint32_t function;
    uint32_t level; /* calls up to and with this one, hidden functions left out */
    enum state state;
};

/* A call that was left without its exit; coroutines bring such an exit later. */
struct aside {
    uint32_t function;
    bool told;
};

struct tl_filter_stage {
    struct tl_filter_limits limits;
    struct frame *stack;
    size_t depth, room;
    size_t decided; /* stack[0..decided) is */
    struct aside aside[ASIDE_MAX];
    size_t aside_count;
    uint64_t high, out_high;
    bool clock_told;
    uint64_t *out;
    size_t out_count, out_room;
    bool taken;
};

struct tl_filter_stage *tl_filter_stage_new(const struct tl_filter_limits *limits)
{
    struct tl_filter_stage *stage = calloc(1, sizeof *stage);
    if (stage)
        stage->limits = *limits;
    return stage;
}

void tl_filter_stage_free(struct tl_filter_stage *stage)
{
    if (!stage)
        return;
    free(stage->stack);
    free(stage->out);
    free(stage);
}

/* Room for the two events that one telling takes at most. */
static bool out_room(struct tl_filter_stage *stage)
{
    if (stage->out_count + 2 <= stage->out_room)
        return true;
    size_t room = stage->out_room ? stage->out_room * 2 : 1024;
    uint64_t *out = realloc(stage->out, room * sizeof *out);
    if (!out)
        return false;
    stage->out = out;
    stage->out_room = room;
    return true;
}

static bool put(struct tl_filter_stage *stage, uint64_t time, enum tl_event_kind kind, uint32_t value)
{
    if (!out_room(stage))
        return false;
    uint64_t high = time >> 32;
    if (!stage->clock_told || stage->out_high != high)
        stage->out[stage->out_count++] = TL_EVENT(time, TL_EVENT_CLOCK, high);
    stage->clock_told = true;
    stage->out_high = high;
    stage->out[stage->out_count++] = TL_EVENT(time, kind, value);
    return true;
}

/* Tells what has become old enough at time. */
static bool settle(struct tl_filter_stage *stage, uint64_t time)
{
    while (stage->decided < stage->depth) {
        struct frame *frame = &stage->stack[stage->decided];
        if (frame->state == EXIT) {
            if (!put(stage, frame->time, TL_EVENT_EXIT, frame->function))
                return false;
            stage->depth--;
            memmove(frame, frame + 1, (stage->depth - stage->decided) * sizeof *frame);
            continue;
        }
        if (frame->state == WAITS) {
            if (time - frame->time < stage->limits.min_ticks)
                return true;
            if (!put(stage, frame->time, TL_EVENT_ENTRY, frame->function))
                return false;
            frame->state = TOLD;
        }
        stage->decided++;
    }
    return true;
}

static void set_aside(struct tl_filter_stage *stage, const struct frame *frame)
{
    if (frame->state == SKIPPED && stage->limits.depth == 0)
        return; /* hidden: known by its name */
    if (stage->aside_count == ASIDE_MAX) {
        stage->aside_count /= 2;
        memmove(stage->aside, stage->aside + ASIDE_MAX / 2, stage->aside_count * sizeof *stage->aside);
    }
    stage->aside[stage->aside_count++] = (struct aside){frame->function, frame->state == TOLD};
}

/* Takes the calls stack[from..) off; exits that wait among them stay. */
static void cut(struct tl_filter_stage *stage, size_t from)
{
    size_t kept = from;
    for (size_t i = from; i < stage->depth; i++) {
        struct frame *frame = &stage->stack[i];
        if (frame->state == EXIT) {
            frame->level = kept > 0 ? stage->stack[kept - 1].level : 0;
            stage->stack[kept++] = *frame;
        } else {
            set_aside(stage, frame);
        }
    }
    stage->depth = kept;
    if (stage->decided > from)
        stage->decided = from;
}

static bool push(struct tl_filter_stage *stage, uint32_t function, uint64_t time, enum state state, uint32_t level)
{
    if (stage->depth == stage->room) {
        size_t room = stage->room ? stage->room * 2 : 256;
        struct frame *stack = realloc(stage->stack, room * sizeof *stack);
        if (!stack)
            return false;
        stage->stack = stack;
        stage->room = room;
    }
    stage->stack[stage->depth++] = (struct frame){time, function, level, state};
    return true;
}

static bool is_hidden(const struct tl_filter_stage *stage, uint32_t function)
{
    return function - 1 < stage->limits.hidden_count && stage->limits.hidden[function - 1];
}

static bool enter(struct tl_filter_stage *stage, uint32_t function, uint64_t time)
{
    if (stage->depth >= STACK_MAX) /* functions without exits: nobody will miss them */
        cut(stage, 0);
    uint32_t level = stage->depth > 0 ? stage->stack[stage->depth - 1].level : 0;
    bool hidden = is_hidden(stage, function);
    level += !hidden;
    bool deep = stage->limits.depth && level > stage->limits.depth;
    return push(stage, function, time, hidden || deep ? SKIPPED : WAITS, level) && settle(stage, time);
}

/* An exit of a function that is not on the stack. */
static bool leave_aside(struct tl_filter_stage *stage, uint32_t function, uint64_t time)
{
    for (size_t i = stage->aside_count; i-- > 0;) {
        if (stage->aside[i].function != function)
            continue;
        bool told = stage->aside[i].told;
        stage->aside_count--;
        memmove(&stage->aside[i], &stage->aside[i + 1], (stage->aside_count - i) * sizeof *stage->aside);
        uint32_t level = stage->depth > 0 ? stage->stack[stage->depth - 1].level : 0;
        return !told || (push(stage, function, time, EXIT, level) && settle(stage, time));
    }
    return true;
}

static bool leave(struct tl_filter_stage *stage, uint32_t function, uint64_t time)
{
    if (!settle(stage, time))
        return false;
    size_t at = stage->depth;
    while (at > 0 && (stage->stack[at - 1].function != function || stage->stack[at - 1].state == EXIT))
        at--;
    if (at == 0)
        return is_hidden(stage, function) || leave_aside(stage, function, time);
    bool told = stage->stack[at - 1].state == TOLD;
    cut(stage, at);
    /* Taken out below the exits that wait above it; they move down. */
    stage->depth--;
    memmove(&stage->stack[at - 1], &stage->stack[at], (stage->depth - (at - 1)) * sizeof *stage->stack);
    if (stage->decided > at - 1)
        stage->decided = at - 1;
    uint32_t level = at > 1 ? stage->stack[at - 2].level : 0;
    for (size_t i = at - 1; i < stage->depth; i++)
        stage->stack[i].level = level;
    return (!told || push(stage, function, time, EXIT, level)) && settle(stage, time);
}

static bool take_one(struct tl_filter_stage *stage, uint64_t event)
{
    uint32_t value = TL_EVENT_VALUE(event);
    uint64_t time = stage->high | TL_EVENT_TIME32(event);
    switch (TL_EVENT_KIND(event)) {
    case TL_EVENT_ENTRY:
        return enter(stage, value, time);
    case TL_EVENT_EXIT:
        return leave(stage, value, time);
    case TL_EVENT_CLOCK:
        stage->high = (uint64_t)value << 32;
        return true;
    default:
        cut(stage, 0);
        return settle(stage, time) && put(stage, time, TL_EVENT_LOST, value);
    }
}

int tl_filter_stage_feed(struct tl_filter_stage *stage, const uint64_t *events, size_t count)
{
    if (stage->taken)
        stage->out_count = 0;
    stage->taken = false;
    for (size_t i = 0; i < count; i++) {
        if (events[i] != 0 && !take_one(stage, events[i]))
            return -ENOMEM;
    }
    return 0;
}

int tl_filter_stage_end(struct tl_filter_stage *stage, uint64_t now_ticks)
{
    if (stage->taken)
        stage->out_count = 0;
    stage->taken = false;
    return settle(stage, now_ticks) ? 0 : -ENOMEM;
}

const uint64_t *tl_filter_stage_take(struct tl_filter_stage *stage, size_t *count)
{
    *count = stage->out_count;
    stage->taken = true;
    return stage->out;
}
