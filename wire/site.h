/* SPDX-License-Identifier: MIT
 *
 * A site as the plan asks for it and as the agent answers. Layout only.
 *
 * A site is a window of whole instructions. The tactic `jump` overwrites its first five bytes
 * with a jmp rel32 into a stub, the tactic `trap` its first byte with an int3; the stub holds
 * copies of all instructions of the window and leads back behind it. Bytes beyond those
 * that are overwritten stay as they are. The tactic `short` is a jump whose window has fewer bytes: only these are
 * overwritten, what stands behind them stays and is read as the rest of the jump. A `sled` is a jump over
 * instructions that a compiler has left for this purpose.
 */
#ifndef TL_WIRE_SITE_H
#define TL_WIRE_SITE_H

#include <stdint.h>

#define TL_JUMP_BYTES 5
#define TL_SITE_MAX_BYTES                                                                                              \
    40 /* window: first instructions until 5 bytes are covered, or a guard's run up to its syscall */
#define TL_SITE_MAX_INSNS 12

enum tl_site_kind {
    TL_SITE_ENTRY = 1,    /* the first instruction records an entry of .function */
    TL_SITE_BODY = 2,     /* no entry; records exits where .exits says so */
    TL_SITE_REDIRECT = 3, /* records nothing: holds a branch back to an entry site's first byte, which must not count
                             as a call; its copy goes to that stub's copy without the record */
    TL_SITE_GUARD = 4, /* mov $number,%eax ... syscall: the agent looks at the call before the kernel does; records an
                          entry of .function unless that is 0. The syscall lies behind the jmp and stays in place. */
    TL_SITE_LINK = 5,  /* records nothing: holds a branch into the overwritten bytes of another site, where it would
                          trap; its copy goes to that site's copy. Not armed where there is none. */
};

#define TL_SITE_SYSCALL_ANY 0xffff /* the number comes from elsewhere, as in the C library's syscall() */

enum tl_site_tactic {
    TL_TACTIC_NONE = 0,
    TL_TACTIC_SLED = 1,
    TL_TACTIC_JUMP = 2,
    TL_TACTIC_SHORT = 3,
    TL_TACTIC_TRAP = 4,
};

/* 64 bytes. In: all but the last line. */
struct tl_wire_site {
    uint64_t address;  /* run-time address of the window's first byte */
    uint32_t function; /* id that the events carry, 1.. */
    uint8_t kind;      /* enum tl_site_kind */
    uint8_t tactic;    /* wanted; out: the one used (a jump that finds no stub address becomes a trap, a link none) */
    uint8_t size;      /* bytes of the window, whole instructions */
    uint8_t insns;     /* how many instructions */
    uint16_t exits;    /* bit i: instruction i leaves the function (ret, tail jump, conditional tail jump) */
    uint8_t bytes[TL_SITE_MAX_BYTES]; /* what must stand there now; short: five, however small the window */
    uint16_t syscall_number;          /* guard only; or TL_SITE_SYSCALL_ANY */
    uint8_t status;                   /* out: enum tl_status */
    uint8_t reserved[3];
};

_Static_assert(sizeof(struct tl_wire_site) == 64, "the site record is part of the wire format");

#endif
