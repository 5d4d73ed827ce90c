/* SPDX-License-Identifier: MIT
 *
 * System calls that wait under a mask of their own: a handler that ends such a wait runs under that mask, and would die
 * at an int3 of ours. The kernel is given a copy without our signals; what the program wants of them holds while the
 * call lasts, as after a sigprocmask. Called by guard.c, in the traced thread.
 */
#include <port/linux/linux.h>
#include <syscall.h>

enum { EXT_ARG = 8, EXT_ARG_REG = 64 }; /* flags of io_uring_enter */

/* The last argument of pselect6 and io_pgetevents; and, with two words more, of io_uring_enter with EXT_ARG. */
struct packed {
    uintptr_t mask;
    uint64_t size; /* io_uring_enter: 32 bits of it */
    uint64_t more;
};

/* Where a call has its mask. */
struct place {
    unsigned argument;
    uint64_t size;
    uintptr_t mask;
    size_t packed_bytes; /* 0: the argument is the mask's address; else that of so much of a struct packed */
    struct packed packed;
};

static bool find_mask(const struct tli_guard_call *call, struct place *place)
{
    const uint64_t *argument = call->argument;
    place->packed_bytes = 0;
    switch (call->ax) {
    case TL_SYS_RT_SIGSUSPEND:
        place->argument = 0;
        break;
    case TL_SYS_PPOLL:
        place->argument = 3;
        break;
    case TL_SYS_EPOLL_PWAIT:
    case TL_SYS_EPOLL_PWAIT2:
        place->argument = 4;
        break;
    case TL_SYS_IO_URING_ENTER:
        place->argument = 4;
        if (argument[3] & EXT_ARG_REG)
            return false;
        if (argument[3] & EXT_ARG)
            place->packed_bytes = sizeof(struct packed);
        break;
    default: /* pselect6, io_pgetevents */
        place->argument = 5;
        place->packed_bytes = offsetof(struct packed, more);
    }
    place->mask = argument[place->argument];
    if (place->mask == 0)
        return false;
    if (place->packed_bytes == 0) {
        place->size = argument[place->argument + 1];
        return true;
    }
    if (!tli_guard_read(&place->packed, place->mask, place->packed_bytes))
        return false;
    place->mask = place->packed.mask;
    place->size = place->packed_bytes == sizeof(struct packed) ? (uint32_t)place->packed.size : place->packed.size;
    return place->mask != 0;
}

static uint64_t wait_under(const struct tli_guard_call *call, struct place *place, const uint64_t *mask)
{
    uint64_t argument[6];
    for (unsigned i = 0; i < 6; i++)
        argument[i] = call->argument[i];
    place->packed.mask = (uintptr_t)mask;
    argument[place->argument] = place->packed_bytes ? (uintptr_t)&place->packed : (uintptr_t)mask;
    return (uint64_t)tl_syscall6((long)call->ax, (long)argument[0], (long)argument[1], (long)argument[2],
                                 (long)argument[3], (long)argument[4], (long)argument[5]);
}

bool tli_guard_wait(struct tli_guard_call *call)
{
    struct place place;
    uint64_t wanted;
    if (!find_mask(call, &place) || place.size != sizeof(wanted) ||
        !tli_guard_read(&wanted, place.mask, sizeof(wanted)))
        return false;
    uint64_t *kept = tli_guard_mask();
    uint64_t before = *kept & TLI_OUR_SIGNALS, during = wanted & TLI_OUR_SIGNALS;
    if (!before && !during)
        return false;
    *kept = (*kept & ~(uint64_t)TLI_OUR_SIGNALS) | during;
    if (*kept >> 32 & TLI_OUR_SIGNALS & ~during) { /* one has waited for just this */
        tli_guard_send_held(kept);
        call->ax = (uint64_t) - (long)TLI_EINTR;
    } else {
        uint64_t mask = wanted & ~TLI_OUR_SIGNALS;
        call->ax = wait_under(call, &place, &mask);
    }
    *kept = (*kept & ~(uint64_t)TLI_OUR_SIGNALS) | before;
    tli_guard_send_held(kept);
    return true;
}
