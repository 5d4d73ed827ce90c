/* SPDX-License-Identifier: MIT
 *
 * The walk through one function's instructions, as flow.c, rounds.c, values.c and jumps.c share it. The buffers serve
 * one function after the other.
 */
#ifndef TL_PLAN_FLOW_H
#define TL_PLAN_FLOW_H

#include <plan/decode.h>
#include <plan/module.h>

#define TLI_PARTS_MAX 64
#define TLI_PADS_MAX 16384

struct tli_part {
    uint64_t start, end;
    uint64_t base; /* index of start in the local bit maps */
    const struct tli_region *region;
};

struct tli_branch {
    uint64_t target, source;
};

struct tli_flow {
    struct tli_module *m;
    struct tli_facts *facts;
    uint32_t index;
    uint64_t entry, loop_entry; /* loop_entry: behind an endbr64, where a loop may lead back to */
    struct tli_part parts[TLI_PARTS_MAX];
    size_t part_count;
    uint64_t *starts, *covered; /* local bit maps: an instruction begins here, lies here */
    size_t map_words;
    uint64_t local_bytes;
    uint64_t *work;
    size_t work_count, work_capacity;
    struct tli_branch *branches; /* sorted by target, as far as sorted_count */
    size_t branch_count, branch_capacity, sorted_count;
    uint64_t *pending; /* indirect jumps not resolved yet */
    size_t pending_count, pending_capacity;
    uint64_t *run; /* instructions since the last call on this path: taken back if it leads nowhere */
    size_t run_count, run_capacity;
    uint64_t *pads;
    uint64_t budget;      /* bytes that may still be looked at, all functions together */
    bool starved;         /* it did not suffice */
    uint64_t proven;      /* instructions, of all functions */
    unsigned round;       /* 1 to 3: see tli_flow_all() */
    bool has_open_tables; /* jump tables whose length is only known by what follows them */
    uint32_t *deferred;
    size_t deferred_count, deferred_capacity;
    bool has_inner_pointers; /* addresses of its own middle are taken */
};

const struct tli_part *tli_part_at(const struct tli_flow *f, uint64_t address);
/* The instruction that ends where address begins and falls through to it; 0: none is proven. */
uint64_t tli_flow_before(const struct tli_flow *f, uint64_t address);
bool tli_flow_decode(const struct tli_flow *f, uint64_t address, struct tli_insn *out);
/* A branch from source to target that holds no displacement to it, by a table of jumps or as a transaction's way out:
 * followed if the target lies in the function. */
void tli_flow_indirect(struct tli_flow *f, uint64_t source, uint64_t target);

/* flow.c: walks one function, in the round that f->round says. */
void tli_flow_function(struct tli_flow *f, uint32_t index);
/* rounds.c: what was proven of this part counts for the file from now on; the rest of it is looked at for doubts. */
void tli_flow_publish(struct tli_flow *f, const struct tli_part *part);

void tli_flow_release(struct tli_flow *f);
/* rounds.c: after the first round, over whichever functions. */
void tli_flow_later_rounds(struct tli_flow *f);

/* Instructions that a walk over a file may read, some more than once; a file that wants more is made to. */
static inline uint64_t tli_flow_budget(const struct tli_module *m)
{
    return 16 * (uint64_t)m->file_bytes + (1 << 20);
}

/* share.c: the first round over all functions, by as many threads as there are processors for it. Leaves what one walk
 * after the other would leave; *f is at the first round's end then. */
void tli_flow_first_round(struct tli_flow *f);

enum tli_verdict { TLI_JUMP_UNKNOWN, TLI_JUMP_TABLE, TLI_JUMP_TAIL };

/* jumps.c: what the indirect jump at address is. A table's targets have been followed on return. */
enum tli_verdict tli_jump_resolve(struct tli_flow *f, uint64_t address);

#endif
