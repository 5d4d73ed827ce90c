/* SPDX-License-Identifier: MIT
 *
 * The die-notifier chain: who wants to look at an exception that the trap path has left, before it kills. In order of
 * priority, the highest first; the first to consume it ends the walk. Freestanding.
 */
#ifndef TRAPLINE_NOTIFY_H
#define TRAPLINE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <trapline/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tl_regs;

enum tl_notify_event {
    TL_NOTIFY_INT3,  /* a breakpoint that is nobody's so far */
    TL_NOTIFY_DEBUG, /* single step, hardware breakpoint */
    TL_NOTIFY_FAULT, /* any other exception that is about to be fatal */
    TL_NOTIFY_NMI,
    TL_NOTIFY_PANIC, /* the end; to consume it changes nothing */
};

/* What has happened. */
struct tl_notification {
    enum tl_notify_event event;
    const char *name;
    struct tl_regs **regs; /* complete; a notifier may change them, and push (tl_port_push) */
    uintptr_t error_code;
    int trap;   /* vector */
    int signal; /* what a user-mode task would get for it */
};

/* One who wants to know. The caller's memory, which stays put while it is registered. */
struct tl_notifier {
    /* True: consumed, go on with the registers as they are now. Runs in the context of the exception: takes no lock
     * that others hold with exceptions possible, does not sleep. An exception of its own walks the chain again. */
    bool (*notify)(struct tl_notifier *self, const struct tl_notification *what);
    int priority;
};

/* Thread context; both take the text lock. Of equal priorities the first to register comes first. TL_BUSY: it is
 * registered already; TL_NO_ROOM: too many are. */
enum tl_status tl_notifier_register(struct tl_notifier *notifier);

/* After it nobody is inside that could call the notifier, and its memory is the caller's again. Not from a notifier,
 * which would wait for itself. TL_NOT_MINE: it is not registered. */
enum tl_status tl_notifier_unregister(struct tl_notifier *notifier);

/* Walks the chain, in any context, nested as deep as exceptions nest. True: somebody has consumed it. */
bool tl_notify(const struct tl_notification *what);

#ifdef __cplusplus
}
#endif

#endif
