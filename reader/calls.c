/* SPDX-License-Identifier: MIT
 *
 * Pairing entries and exits of one thread; the rules are in calls.h. Called for every event of a recording, so the
 * usual case, an exit of the top, is short.
 */
#include <reader/calls.h>
#include <reader/tally.h>
#include <stdlib.h>
#include <string.h>
#include <wire/event.h>

/* Functions whose exits nobody records would grow the stack for ever: beyond this its older half is given up. */
#define STACK_MAX ((size_t)1 << 22) /* times 56 bytes */
#define ASIDE_MAX ((size_t)1 << 16)

struct frame {
    uint32_t function;
    uint32_t gap; /* how many gaps there had been at the entry */
    uint64_t start;
    uint64_t children; /* ticks in calls made from it */
    uint64_t inner;    /* ticks in calls of the same function inside it that nobody has counted as outermost */
    uint64_t counted;  /* of inner, what was counted when this call was set aside */
    uint32_t same;     /* 1 + index of the next outer call of the function on the stack; 0: none */
};

struct tl_calls {
    struct tl_calls_sink sink;
    size_t function_count;
    struct frame *stack;
    size_t depth, room;
    struct frame *aside; /* groups, oldest first; in a group the outermost first */
    uint32_t *group;     /* of aside[i] */
    size_t aside_count, aside_room;
    uint32_t groups;
    struct tli_tally on_stack; /* 1 + index of the innermost call of the function */
    struct tli_tally on_aside; /* how many are set aside */
    uint64_t high, last;
    uint32_t gaps;
    uint64_t orphans;
};

struct tl_calls *tl_calls_new(const struct tl_calls_sink *sink, size_t function_count)
{
    struct tl_calls *calls = calloc(1, sizeof *calls);
    if (!calls)
        return NULL;
    calls->sink = *sink;
    calls->function_count = function_count;
    calls->room = 256;
    calls->stack = malloc(calls->room * sizeof *calls->stack);
    bool fine = tli_tally_init(&calls->on_stack, function_count) && tli_tally_init(&calls->on_aside, function_count);
    if (fine && calls->stack)
        return calls;
    tl_calls_free(calls);
    return NULL;
}

void tl_calls_free(struct tl_calls *calls)
{
    if (!calls)
        return;
    tli_tally_free(&calls->on_stack);
    tli_tally_free(&calls->on_aside);
    free(calls->stack);
    free(calls->aside);
    free(calls->group);
    free(calls);
}

static void tell(struct tl_calls *calls, void (*to)(void *, const struct tl_call *), const struct frame *frame,
                 size_t depth, uint64_t end)
{
    if (!to)
        return;
    struct tl_call call = {.function = frame->function,
                           .depth = (uint32_t)depth,
                           .exact = frame->gap == calls->gaps,
                           .outermost = frame->same == 0,
                           .start = frame->start,
                           .end = end,
                           .inner = frame->inner};
    to(calls->sink.data, &call);
}

/* The call on top is known not to return, so its time is not known, but that of the calls made from it is: it is not
 * its caller's own. Inner calls of its function belong to the next outer call of it, or are outermost themselves. */
static void pop_left(struct tl_calls *calls)
{
    struct frame *frame = &calls->stack[--calls->depth];
    *tli_tally_of(&calls->on_stack, frame->function) = frame->same;
    tell(calls, calls->sink.left, frame, calls->depth, calls->last);
    if (frame->same)
        calls->stack[frame->same - 1].inner += frame->inner;
    if (calls->depth > 0)
        calls->stack[calls->depth - 1].children += frame->children;
    frame->counted += frame->inner;
    frame->inner = 0;
}

static bool aside_room(struct tl_calls *calls, size_t more)
{
    if (calls->aside_count + more > ASIDE_MAX && calls->aside_count > 0) {
        size_t gone = calls->aside_count / 2 + 1; /* these never come back */
        for (size_t i = 0; i < gone; i++)
            --*tli_tally_of(&calls->on_aside, calls->aside[i].function);
        calls->aside_count -= gone;
        memmove(calls->aside, calls->aside + gone, calls->aside_count * sizeof *calls->aside);
        memmove(calls->group, calls->group + gone, calls->aside_count * sizeof *calls->group);
    }
    if (calls->aside_count + more <= calls->aside_room)
        return true;
    size_t room = (calls->aside_count + more) * 2;
    struct frame *aside = realloc(calls->aside, room * sizeof *aside);
    if (aside)
        calls->aside = aside;
    uint32_t *group = realloc(calls->group, room * sizeof *group);
    if (group)
        calls->group = group;
    if (!aside || !group)
        return false;
    calls->aside_room = room;
    return true;
}

/* Sets stack[from..] aside as one group. */
static bool set_aside(struct tl_calls *calls, size_t from)
{
    size_t count = calls->depth - from;
    if (count == 0)
        return true;
    if (!aside_room(calls, count))
        return false;
    for (size_t i = from; i < calls->depth; i++) {
        uint32_t *aside = tli_tally_of(&calls->on_aside, calls->stack[i].function);
        if (!aside)
            return false;
        ++*aside;
    }
    while (calls->depth > from)
        pop_left(calls);
    memcpy(calls->aside + calls->aside_count, calls->stack + from, count * sizeof *calls->stack);
    for (size_t i = 0; i < count; i++)
        calls->group[calls->aside_count++] = calls->groups;
    calls->groups++;
    return true;
}

/* Gives up the outer half of the stack: those calls count as not returned. */
static void forget_outer(struct tl_calls *calls)
{
    size_t gone = calls->depth / 2;
    for (size_t i = 0; i < calls->depth; i++)
        *tli_tally_of(&calls->on_stack, calls->stack[i].function) = 0;
    calls->depth -= gone;
    memmove(calls->stack, calls->stack + gone, calls->depth * sizeof *calls->stack);
    for (size_t i = 0; i < calls->depth; i++) {
        uint32_t *on_stack = tli_tally_of(&calls->on_stack, calls->stack[i].function);
        calls->stack[i].same = *on_stack;
        *on_stack = (uint32_t)i + 1;
    }
}

static bool stack_room(struct tl_calls *calls, size_t more)
{
    if (calls->depth + more <= calls->room)
        return true;
    if (calls->depth + more > STACK_MAX) {
        forget_outer(calls);
        return true;
    }
    size_t room = (calls->depth + more) * 2;
    struct frame *stack = realloc(calls->stack, room * sizeof *stack);
    if (!stack)
        return false;
    calls->stack = stack;
    calls->room = room;
    return true;
}

static void push(struct tl_calls *calls, struct frame frame, uint32_t *on_stack)
{
    frame.same = *on_stack;
    calls->stack[calls->depth++] = frame;
    *on_stack = (uint32_t)calls->depth;
}

/* Brings back the innermost call of function that is set aside, and those of its group around it. */
static bool resume(struct tl_calls *calls, uint32_t function)
{
    size_t last = calls->aside_count;
    while (calls->aside[--last].function != function) {
    }
    size_t first = last;
    while (first > 0 && calls->group[first - 1] == calls->group[last])
        first--;
    size_t count = last - first + 1;
    if (!stack_room(calls, count))
        return false;
    for (size_t i = first; i <= last; i++) {
        uint32_t *on_stack = tli_tally_of(&calls->on_stack, calls->aside[i].function);
        if (!on_stack)
            return false;
        --*tli_tally_of(&calls->on_aside, calls->aside[i].function);
        tell(calls, calls->sink.resumed, &calls->aside[i], calls->depth, 0);
        push(calls, calls->aside[i], on_stack);
    }
    calls->aside_count -= count;
    memmove(calls->aside + first, calls->aside + last + 1, (calls->aside_count - first) * sizeof *calls->aside);
    memmove(calls->group + first, calls->group + last + 1, (calls->aside_count - first) * sizeof *calls->group);
    return true;
}

static bool enter(struct tl_calls *calls, uint32_t function, uint64_t time)
{
    uint32_t *on_stack = tli_tally_of(&calls->on_stack, function);
    if (!on_stack || !stack_room(calls, 1))
        return false;
    push(calls, (struct frame){.function = function, .gap = calls->gaps, .start = time}, on_stack);
    tell(calls, calls->sink.entered, &calls->stack[calls->depth - 1], calls->depth - 1, 0);
    return true;
}

/* An exit of function that is not on top: makes it the top. *found: there is such a call. */
static bool find(struct tl_calls *calls, uint32_t function, bool *found)
{
    *found = true;
    uint32_t index = tli_tally_get(&calls->on_stack, function);
    if (index > 0)
        return set_aside(calls, index);
    if (tli_tally_get(&calls->on_aside, function) > 0)
        return resume(calls, function);
    calls->orphans++;
    *found = false;
    return true;
}

static bool leave(struct tl_calls *calls, uint32_t function, uint64_t time)
{
    bool found = true;
    if (calls->depth == 0 || calls->stack[calls->depth - 1].function != function) {
        if (!find(calls, function, &found))
            return false;
        if (!found)
            return true;
    }
    const struct frame *frame = &calls->stack[--calls->depth];
    uint64_t duration = time - frame->start;
    bool exact = frame->gap == calls->gaps;
    struct tl_call call = {.function = function,
                           .depth = (uint32_t)calls->depth,
                           .exact = exact,
                           .outermost = frame->same == 0,
                           .start = frame->start,
                           .end = time,
                           .self = duration > frame->children ? duration - frame->children : 0,
                           .inner = exact ? frame->counted : frame->inner};
    *tli_tally_of(&calls->on_stack, function) = frame->same;
    if (calls->depth > 0)
        calls->stack[calls->depth - 1].children += duration;
    if (frame->same)
        calls->stack[frame->same - 1].inner += exact ? duration : frame->inner;
    calls->sink.returned(calls->sink.data, &call);
    return true;
}

void tl_calls_clock(struct tl_calls *calls, uint64_t high)
{
    calls->high = high;
}

static bool lose(struct tl_calls *calls)
{
    calls->gaps++;
    return set_aside(calls, 0);
}

const char *tl_calls_feed(struct tl_calls *calls, const uint64_t *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t event = events[i];
        uint32_t value = TL_EVENT_VALUE(event);
        unsigned kind = TL_EVENT_KIND(event);
        bool fine = true;
        if (kind <= TL_EVENT_EXIT) {
            uint64_t time = calls->high | TL_EVENT_TIME32(event);
            if (value == 0 || value > calls->function_count)
                return "is corrupt: an event names a function that the recording does not know";
            if (time < calls->last)
                time = calls->last; /* a thread's times do not go down; should they, no call takes 2^64 ticks */
            calls->last = time;
            fine = kind == TL_EVENT_ENTRY ? enter(calls, value, time) : leave(calls, value, time);
        } else if (kind == TL_EVENT_CLOCK) {
            calls->high = (uint64_t)value << 32;
        } else {
            fine = lose(calls);
        }
        if (!fine)
            return "does not fit into memory";
    }
    return NULL;
}

void tl_calls_end(struct tl_calls *calls)
{
    while (calls->depth > 0)
        pop_left(calls);
}

uint64_t tl_calls_orphans(const struct tl_calls *calls)
{
    return calls->orphans;
}
