/* SPDX-License-Identifier: MIT
 *
 * The die-notifier chain. The walk is lock-free and reads one of two chains; whoever changes it fills the other one and
 * lets it take the first one's place. Not in the trap path: it comes after everything there has declined.
 *
 *                walk           change
 *   walk         safe           safe [N1]
 *   change                      text lock
 */
#include <core/epoch.h>
#include <stddef.h>
#include <trapline/notify.h>
#include <trapline/port.h>

#define NOTIFIERS_MAX 16

struct chain {
    size_t count;
    struct tl_notifier *notifier[NOTIFIERS_MAX]; /* the highest priority first */
};

static struct chain chains[2];
static _Atomic(struct chain *) chain_now;
static struct tli_epoch epoch;

bool tl_notify(const struct tl_notification *what)
{
    bool consumed = false;
    unsigned cookie = tli_epoch_enter(&epoch);
    /* [N1] acquire: the chain is seen filled. Pairs with the release in publish().
     * [E1] and sequentially consistent: see tli_epoch_enter(). */
    const struct chain *chain = atomic_load_explicit(&chain_now, memory_order_seq_cst);
    for (size_t i = 0; chain && i < chain->count && !consumed; i++)
        consumed = chain->notifier[i]->notify(chain->notifier[i], what);
    tli_epoch_leave(&epoch, cookie);
    return consumed;
}

/* Nobody reads the chain that is not published: the last change has waited for them. */
static struct chain *other_of(const struct chain *now)
{
    return now == &chains[0] ? &chains[1] : &chains[0];
}

static void publish(struct chain *next)
{
    /* [N1] release: see tl_notify(). [E1] and sequentially consistent: see tli_epoch_enter(). */
    atomic_store_explicit(&chain_now, next, memory_order_seq_cst);
    tli_epoch_wait(&epoch);
}

static bool holds(const struct chain *chain, const struct tl_notifier *notifier)
{
    for (size_t i = 0; chain && i < chain->count; i++)
        if (chain->notifier[i] == notifier)
            return true;
    return false;
}

static enum tl_status insert(struct tl_notifier *notifier)
{
    const struct chain *now = atomic_load_explicit(&chain_now, memory_order_relaxed); /* relaxed: ours to write */
    struct chain *next = other_of(now);
    size_t have = now ? now->count : 0, i = 0;
    if (holds(now, notifier))
        return TL_BUSY;
    if (have == NOTIFIERS_MAX)
        return TL_NO_ROOM;
    for (; i < have && now->notifier[i]->priority >= notifier->priority; i++)
        next->notifier[i] = now->notifier[i];
    next->notifier[i] = notifier;
    for (; i < have; i++)
        next->notifier[i + 1] = now->notifier[i];
    next->count = have + 1;
    publish(next);
    return TL_OK;
}

static enum tl_status take_out(const struct tl_notifier *notifier)
{
    const struct chain *now = atomic_load_explicit(&chain_now, memory_order_relaxed); /* relaxed: as above */
    struct chain *next = other_of(now);
    if (!holds(now, notifier))
        return TL_NOT_MINE;
    next->count = 0;
    for (size_t i = 0; i < now->count; i++)
        if (now->notifier[i] != notifier)
            next->notifier[next->count++] = now->notifier[i];
    publish(next);
    return TL_OK;
}

enum tl_status tl_notifier_register(struct tl_notifier *notifier)
{
    if (!notifier->notify)
        return TL_BAD_ARGUMENT;
    tl_port_text_lock();
    enum tl_status status = insert(notifier);
    tl_port_text_unlock();
    return status;
}

enum tl_status tl_notifier_unregister(struct tl_notifier *notifier)
{
    tl_port_text_lock();
    enum tl_status status = take_out(notifier);
    tl_port_text_unlock();
    return status;
}
