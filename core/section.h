/* SPDX-License-Identifier: MIT
 *
 * The section of the trap path: what is marked so runs between a breakpoint and its resolution. It calls nothing
 * outside the section, so nothing it runs can carry a site; the build checks that on the objects.
 */
#ifndef TL_CORE_SECTION_H
#define TL_CORE_SECTION_H

#include <stdbool.h>

/* A hosted linker gives bounds to a section whose name is a word; the freestanding linker scripts name their own. */
#ifdef TL_FREESTANDING
#define TLI_TRAP_SECTION ".text.trap"
#else
#define TLI_TRAP_SECTION "tl_trap"
#endif

/* No place for a site either, whatever the compiler is told for the rest. */
#define TLI_TRAP                                                                                                       \
    __attribute__((section(TLI_TRAP_SECTION), noinline, no_instrument_function, patchable_function_entry(0, 0)))

#endif
