/* SPDX-License-Identifier: MIT
 *
 * Values of registers at a place of the function that is being walked, as jumps.c asks for them.
 */
#ifndef TL_PLAN_VALUES_H
#define TL_PLAN_VALUES_H

#include <plan/flow.h>
#include <plan/operands.h>

#define TLI_DEFS_MAX 8
#define TLI_DEPTH_MAX 4
#define TLI_CONSTANTS_MAX 8
#define TLI_ENTRIES_MAX 65536
#define TLI_UNBOUND_ENTRIES_MAX 1024

struct tli_definitions {
    uint64_t at[TLI_DEFS_MAX];
    unsigned count;
    bool from_entry; /* the value may be an argument */
    bool unknown;    /* there may be more */
};

struct tli_constants {
    uint64_t value[TLI_CONSTANTS_MAX];
    unsigned count;
};

/* The instruction at a place of the function, with its operands. */
bool tli_look(const struct tli_flow *f, uint64_t at, struct tli_operands *out);
/* The 64-bit register that reg is part of. */
ZydisRegister tli_whole(ZydisRegister reg);
/* Where the value that reg has before the instruction at may come from. */
void tli_find_definitions(struct tli_flow *f, ZydisRegister reg, uint64_t at, struct tli_definitions *out);
/* All addresses that reg may hold before at, if they are constants on all paths; depth 0. */
bool tli_find_constants(struct tli_flow *f, ZydisRegister reg, uint64_t at, unsigned depth, struct tli_constants *out);
/* The only one. */
bool tli_find_constant(struct tli_flow *f, ZydisRegister reg, uint64_t at, uint64_t *value);
/* How many entries a table has that is read at with this index; 0: not known, but not more than *limit if that was set.
 */
uint64_t tli_find_bound(struct tli_flow *f, ZydisRegister index, uint64_t at, uint64_t *limit);

#endif
