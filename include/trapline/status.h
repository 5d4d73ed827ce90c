/* SPDX-License-Identifier: MIT
 *
 * The named refusals. A function that returns one of these other than TL_OK has
 * changed nothing. Broken invariants do not come back as a status: they panic.
 */
#ifndef TRAPLINE_STATUS_H
#define TRAPLINE_STATUS_H

enum tl_status {
    TL_OK = 0,
    TL_NOT_MINE,       /* trap side only: nobody here owns this breakpoint */
    TL_BAD_ARGUMENT,   /* a value the interface does not allow */
    TL_NO_INSTRUCTION, /* the bytes do not decode, or end too early */
    TL_CANNOT_MOVE,    /* the instruction cannot run at another address */
    TL_NO_ROOM,        /* the site is too short, or an array is full */
    TL_NO_MEMORY,      /* the port has no memory, or none near enough */
    TL_TEXT_DIFFERS,   /* the bytes found are not the bytes expected */
    TL_OVERLAP,        /* the site overlaps another one */
    TL_NO_TEXT,        /* the address is not mapped, not executable, or cannot be written */
    TL_NOT_SUPPORTED,  /* CPU or kernel lacks something that is needed */
    TL_DENIED,         /* the system refuses: permission, seccomp, a security module */
    TL_BUSY,           /* somebody else is at it */
    TL_GONE,           /* the process or the mapping has ended */
    TL_NO_START,       /* the address is in the middle of an instruction, or not exactly one stands there */
    TL_TRAP_PATH,      /* the code is part of what every breakpoint runs through */
    TL_TOO_FAR,        /* a target is out of a branch's reach */
    TL_STATUS_COUNT
};

#endif
