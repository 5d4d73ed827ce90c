/* SPDX-License-Identifier: MIT
 *
 * The die-notifier chain: order, consumption, recursion, and changes while others walk it.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <port/sim/sim.h>
#include <trapline/notify.h>

struct probe {
    struct tl_notifier notifier;
    char name;
    bool consumes;
    unsigned depth; /* walks the chain again so often */
    unsigned char poison;
};

static char order[64];

static bool note(struct tl_notifier *self, const struct tl_notification *what)
{
    struct probe *probe = (struct probe *)self;
    order[strlen(order)] = probe->name;
    if (probe->depth) {
        probe->depth--;
        (void)tl_notify(what);
    }
    return probe->consumes;
}

static struct probe make(char name, int priority, bool consumes)
{
    return (struct probe){{note, priority}, name, consumes, 0, 0};
}

static const char *walk(bool *consumed)
{
    struct tl_notification what = {.event = TL_NOTIFY_INT3, .name = "int3", .trap = 3, .signal = 5};
    memset(order, 0, sizeof(order));
    *consumed = tl_notify(&what);
    return order;
}

static void the_highest_priority_comes_first(void **context)
{
    (void)context;
    struct probe a = make('a', 0, false), b = make('b', INT32_MAX, false), c = make('c', -5, false);
    struct probe d = make('d', 0, false);
    bool consumed;
    assert_string_equal(walk(&consumed), "");
    assert_false(consumed);
    assert_int_equal(tl_notifier_register(&a.notifier), TL_OK);
    assert_int_equal(tl_notifier_register(&c.notifier), TL_OK);
    assert_int_equal(tl_notifier_register(&b.notifier), TL_OK);
    assert_int_equal(tl_notifier_register(&d.notifier), TL_OK);
    assert_string_equal(walk(&consumed), "badc");
    assert_false(consumed);
    a.consumes = true;
    assert_string_equal(walk(&consumed), "ba");
    assert_true(consumed);
    assert_int_equal(tl_notifier_unregister(&a.notifier), TL_OK);
    assert_string_equal(walk(&consumed), "bdc");
    assert_int_equal(tl_notifier_unregister(&c.notifier), TL_OK);
    assert_int_equal(tl_notifier_unregister(&b.notifier), TL_OK);
    assert_int_equal(tl_notifier_unregister(&d.notifier), TL_OK);
    assert_string_equal(walk(&consumed), "");
}

static void what_is_wrong_is_refused(void **context)
{
    (void)context;
    struct probe a = make('a', 0, false), many[16], none = {0};
    assert_int_equal(tl_notifier_register(&none.notifier), TL_BAD_ARGUMENT);
    assert_int_equal(tl_notifier_unregister(&a.notifier), TL_NOT_MINE);
    assert_int_equal(tl_notifier_register(&a.notifier), TL_OK);
    assert_int_equal(tl_notifier_register(&a.notifier), TL_BUSY);
    for (unsigned i = 0; i < 15; i++) {
        many[i] = make('m', 1, false);
        assert_int_equal(tl_notifier_register(&many[i].notifier), TL_OK);
    }
    many[15] = make('m', 1, false);
    assert_int_equal(tl_notifier_register(&many[15].notifier), TL_NO_ROOM);
    for (unsigned i = 0; i < 15; i++)
        assert_int_equal(tl_notifier_unregister(&many[i].notifier), TL_OK);
    assert_int_equal(tl_notifier_unregister(&a.notifier), TL_OK);
}

static void an_exception_in_a_notifier_walks_again(void **context)
{
    (void)context;
    struct probe a = make('a', 1, false), b = make('b', 0, true);
    bool consumed;
    a.depth = 2;
    assert_int_equal(tl_notifier_register(&a.notifier), TL_OK);
    assert_int_equal(tl_notifier_register(&b.notifier), TL_OK);
    assert_string_equal(walk(&consumed), "aaabbb");
    assert_true(consumed);
    assert_int_equal(tl_notifier_unregister(&a.notifier), TL_OK);
    assert_int_equal(tl_notifier_unregister(&b.notifier), TL_OK);
}

/* Threads walk while notifiers come and go; one that is out is never called: its memory is overwritten at once. */
static atomic_bool ended;
static atomic_uint walks, dead_called, steady_missed;
static _Thread_local unsigned steady_seen;

static bool steady(struct tl_notifier *self, const struct tl_notification *what)
{
    (void)self, (void)what;
    steady_seen++;
    return false;
}

static bool alive(struct tl_notifier *self, const struct tl_notification *what)
{
    (void)what;
    if (((struct probe *)self)->poison)
        atomic_fetch_add(&dead_called, 1);
    return false;
}

static void *walker(void *unused)
{
    struct tl_notification what = {.event = TL_NOTIFY_INT3};
    (void)unused;
    while (!atomic_load(&ended)) {
        steady_seen = 0;
        (void)tl_notify(&what);
        if (steady_seen != 1)
            atomic_fetch_add(&steady_missed, 1);
        atomic_fetch_add(&walks, 1);
    }
    return 0;
}

static void registering_is_safe_while_others_walk(void **context)
{
    (void)context;
    struct tl_notifier stays = {steady, 0};
    pthread_t threads[2];
    assert_int_equal(tl_notifier_register(&stays), TL_OK);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], 0, walker, 0);
    for (unsigned round = 0; round < 20000 || atomic_load(&walks) < 20000; round++) {
        struct probe *comes = calloc(1, sizeof(*comes));
        comes->notifier = (struct tl_notifier){alive, round & 1 ? 1 : -1};
        assert_int_equal(tl_notifier_register(&comes->notifier), TL_OK);
        assert_int_equal(tl_notifier_unregister(&comes->notifier), TL_OK);
        comes->poison = 1;
        comes->notifier.notify = 0;
        free(comes);
    }
    atomic_store(&ended, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], 0);
    assert_int_equal(tl_notifier_unregister(&stays), TL_OK);
    assert_int_equal(atomic_load(&dead_called), 0);
    assert_int_equal(atomic_load(&steady_missed), 0);
}

/* The walker stands in the notifier; to unregister waits for it. */
static atomic_bool stands, may_go, is_out;

static bool lingers(struct tl_notifier *self, const struct tl_notification *what)
{
    (void)self, (void)what;
    atomic_store(&stands, true);
    while (!atomic_load(&may_go))
        sched_yield();
    return false;
}

static void *walk_once(void *unused)
{
    struct tl_notification what = {.event = TL_NOTIFY_INT3};
    (void)unused;
    (void)tl_notify(&what);
    return 0;
}

static void *unregister(void *notifier)
{
    (void)tl_notifier_unregister(notifier);
    atomic_store(&is_out, true);
    return 0;
}

static void unregistering_waits_for_who_is_inside(void **context)
{
    (void)context;
    struct tl_notifier notifier = {lingers, 0};
    pthread_t inside, outside;
    assert_int_equal(tl_notifier_register(&notifier), TL_OK);
    pthread_create(&inside, 0, walk_once, 0);
    while (!atomic_load(&stands))
        sched_yield();
    pthread_create(&outside, 0, unregister, &notifier);
    usleep(50000);
    bool early = atomic_load(&is_out);
    atomic_store(&may_go, true);
    pthread_join(inside, 0);
    pthread_join(outside, 0);
    assert_false(early);
    assert_true(atomic_load(&is_out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_highest_priority_comes_first),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(an_exception_in_a_notifier_walks_again),
        cmocka_unit_test(registering_is_safe_while_others_walk),
        cmocka_unit_test(unregistering_waits_for_who_is_inside),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
