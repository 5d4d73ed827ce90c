/* SPDX-License-Identifier: MIT
 *
 * text_poke: changes single instructions of code that other cores are executing, many at once. Who runs into a change
 * gets the new instruction, emulated; no call is lost. A batch of any size costs three serialisations. For code that
 * has a place for it: a nop, call or jmp of five bytes (two for short jumps). Freestanding.
 */
#ifndef TRAPLINE_POKE_H
#define TRAPLINE_POKE_H

#include <stddef.h>
#include <stdint.h>
#include <trapline/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TL_POKE_MAX_BYTES 5

/* What shall stand at an address. */
enum tl_poke_what {
    TL_POKE_NOP,  /* a nop of size bytes, 2 or 5 */
    TL_POKE_CALL, /* call target, 5 bytes */
    TL_POKE_JMP,  /* jmp target, 2 or 5 bytes */
    TL_POKE_INT3, /* 1 byte: a breakpoint that stays and belongs to whoever is next in order; tli_trap() declines it */
    TL_POKE_BACK, /* 1 byte: the byte that TL_POKE_INT3 has replaced */
};

struct tl_poke {
    uintptr_t address;
    uintptr_t target;                    /* of CALL and JMP */
    uint8_t what;                        /* enum tl_poke_what */
    uint8_t size;                        /* bytes: 1, 2 or 5 */
    uint8_t expected[TL_POKE_MAX_BYTES]; /* the size bytes that stand there now; not looked at for TL_POKE_BACK */
};

/* Encodes what as size bytes to stand at address. TL_BAD_ARGUMENT: no such form; TL_TOO_FAR: target out of reach. */
enum tl_status tl_poke_encode(uint8_t *to, const struct tl_poke *poke);

/* Makes all of count pokes true at once, or none. Their addresses must ascend. When it returns TL_OK every core runs
 * the new code, nobody is inside the old meaning of a breakpoint, and an address that was poked may be poked again,
 * with the same size, at any time. From the first of the three serialisations on, who arrives gets the new meaning.
 *
 * Thread context; takes the port's text lock. Never from a trap, nor with the text lock held.
 *
 * Refused, with nothing changed and *culprit (may be NULL) the index of the first poke at fault:
 *   TL_BAD_ARGUMENT  an unknown what, a size that it does not have, an address below the one before
 *   TL_NO_START      5 or 2 bytes expected that are not exactly one instruction: somebody could stand inside. That a
 *                    single byte begins one is the caller's to know
 *   TL_TEXT_DIFFERS  other bytes stand there
 *   TL_OVERLAP       another poke of the batch, a site, or a breakpoint holds one of the bytes
 *   TL_TRAP_PATH     breakpoints themselves run through there
 *   TL_TOO_FAR       target is out of reach
 *   TL_NO_TEXT       nothing executable there
 *   TL_NO_MEMORY     *culprit is count */
enum tl_status tl_poke(const struct tl_poke *pokes, size_t count, size_t *culprit);

/* Makes one nop of the five bytes of nops at address, as a compiler leaves them (-fpatchable-function-entry=5), so that
 * they can be poked. Only where no other thread can be within those bytes: early in a program, or before a module's
 * code is used. Thread context; takes the text lock. TL_TEXT_DIFFERS: other instructions stand there; TL_OVERLAP,
 * TL_TRAP_PATH, TL_NO_TEXT as above. */
enum tl_status tl_poke_join_nops(uintptr_t address);

#ifdef __cplusplus
}
#endif

#endif
