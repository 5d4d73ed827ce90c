/* SPDX-License-Identifier: MIT
 *
 * ftrace while threads call: no call of a replacement is lost, none reaches a callback that has gone, and a function
 * that is always somebody's is never nobody's. Built at both widths (ftrace32.sh), so without cmocka, which has one.
 */
#include "ftrace_told.h"
#include <core/ftrace.h>
#include <pthread.h>
#include <regs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <trapline/port.h>

#define THREADS 3
#define ROUNDS 400

TRACED unsigned traced(unsigned n);
TRACED unsigned replaced(unsigned n);

static _Atomic unsigned phase; /* odd: traced() has a callback */
static _Atomic int quit, wrong;
static _Thread_local unsigned told, replacements;

unsigned traced(unsigned n)
{
    OPAQUE;
    return n + 1;
}

unsigned replaced(unsigned n)
{
    OPAQUE;
    return n + 2;
}

static unsigned replacement(unsigned n)
{
    replacements++;
    return n + 3;
}

static const char *name_here(uintptr_t site)
{
    if (site == tl_ftrace_site_of((uintptr_t)traced))
        return "traced";
    return site == tl_ftrace_site_of((uintptr_t)replaced) ? "replaced" : name_of(site);
}

static void complain(const char *claim)
{
    if (!atomic_exchange(&wrong, 1))
        printf("not ok: %s\n", claim);
}

struct life {
    _Atomic unsigned alive;
};

static void on_call(uintptr_t site, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    (void)site, (void)parent, (void)regs;
    struct life *life = ops->data;
    if (!life || life->alive != 1)
        complain("a callback runs after it was unregistered");
    told++;
}

static void on_back(const struct tl_ftrace_call *call, uintptr_t *value)
{
    struct life *life = call->ops->data;
    if (!life || life->alive != 1 || value[0] == 0)
        complain("a return is told after its ops was unregistered");
}

static void replace(uintptr_t site, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    (void)site, (void)parent, (void)ops;
    regs->ip = (uintptr_t)replacement;
}

static void *caller(void *calls_made)
{
    unsigned calls = 0;
    port_thread_open();
    while (!quit) {
        unsigned before = phase, had = told;
        if (traced(calls) != calls + 1)
            complain("a traced function returns what it returns");
        if (before % 2 && phase == before && told == had)
            complain("between two callbacks a call reaches neither");
        if (replaced(calls) != calls + 3)
            complain("a replaced function is always replaced");
        calls++;
        if (replacements != calls)
            complain("each call runs the replacement once");
    }
    *(unsigned *)calls_made = calls;
    return 0;
}

static struct tl_ftrace_ops *born(tl_ftrace_returned *back, uint32_t flags)
{
    struct tl_ftrace_ops *ops = calloc(1, sizeof(*ops));
    struct life *life = calloc(1, sizeof(*life));
    *ops = (struct tl_ftrace_ops){.entered = on_call, .returned = back, .flags = flags, .data = life};
    life->alive = 1;
    if (tl_ftrace_register(ops) != TL_OK)
        complain("a registration is refused");
    return ops;
}

static void dead(struct tl_ftrace_ops *ops)
{
    struct life *life = ops->data;
    if (tl_ftrace_unregister(ops) != TL_OK)
        complain("an unregistration is refused");
    life->alive = 2;
    memset(ops, 0, sizeof(*ops));
    free(ops);
}

static void round_of_changes(void)
{
    struct tl_ftrace_ops *a = born(0, 0);
    phase++;
    struct tl_ftrace_ops *b = born(0, TL_FTRACE_REGS);
    dead(a);
    struct tl_ftrace_ops *c = born(on_back, 0);
    dead(b);
    a = born(0, 0);
    dead(c);
    phase++;
    dead(a);
}

int main(void)
{
    static struct tl_ftrace_ops always = {.entered = replace, .flags = TL_FTRACE_REGS | TL_FTRACE_IP};
    struct tl_ftrace_table table = {__start___patchable_function_entries, __stop___patchable_function_entries};
    pthread_t threads[THREADS];
    unsigned calls[THREADS], all = 0;
    setvbuf(stdout, 0, _IONBF, 0);
    port_open();
    if (tl_ftrace_open(&table, 1, name_here) != TL_OK ||
        tl_ftrace_choose(&always, TL_FTRACE_FILTER, "replaced", TL_FTRACE_ADD) != TL_OK ||
        tl_ftrace_register(&always) != TL_OK)
        return 1;
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], 0, caller, &calls[i]);
    for (unsigned i = 0; i < ROUNDS && !wrong; i++)
        round_of_changes();
    quit = 1;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], 0);
        all += calls[i];
    }
    printf("%s at %d bits: %u calls, %u traps, %u serialisations\n", wrong ? "not ok" : "ok", TL_ARCH_MODE, all,
           port_traps, port_serialisations);
    return wrong;
}
