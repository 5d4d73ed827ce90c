/* SPDX-License-Identifier: MIT
 *
 * Where stubs lie. A jmp over several instructions is safe only if its displacement holds a byte that traps at each
 * inner instruction start, so the start decides where the stub may be (instruction punning: Chamith et al., PLDI 2017;
 * Duck et al., PLDI 2020). Stubs of many sites share pages. Poke side.
 */
#ifndef TL_CORE_PLACE_H
#define TL_CORE_PLACE_H

#include <stdint.h>
#include <trapline/status.h>

/* Reserves size bytes for the stub that a jmp rel32 at site shall lead to; starts: bit i is set where byte i of the
 * site begins an instruction (bit 0 is ignored). On TL_OK *stub is the address, mapped executable. TL_NO_MEMORY: no
 * such place can be had. */
enum tl_status tli_place_jump(uintptr_t site, uint8_t starts, uint32_t size, uintptr_t *stub);

/* The same for a jmp of which only the first own bytes, 1 to 4, are written: bytes own to 4 of the five at bytes stay
 * and are the upper part of its displacement. */
enum tl_status tli_place_short(uintptr_t site, uint8_t starts, const uint8_t *bytes, unsigned own, uint32_t size,
                               uintptr_t *stub);

/* The same where only nearness counts (an int3 site): within 2 GB of site. */
enum tl_status tli_place_near(uintptr_t site, uint32_t size, uintptr_t *stub);

/* Gives back what the last call reserved. */
void tli_place_undo(uintptr_t stub, uint32_t size);

/* Executable memory mapped so far, bytes. */
uint64_t tli_place_bytes(void);

#endif
