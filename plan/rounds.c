/* SPDX-License-Identifier: MIT
 *
 * The walk over all functions of a file: in which order, what of it counts for the whole file, and what was not
 * reached. One function's walk is in flow.c. Called by module.c and cold.c.
 */
#include <plan/flow.h>
#include <stdlib.h>

/* Bytes that no path leads to and that are no padding: data, or code that only something unknown leads to. */
static void check_covered(struct tli_flow *f, const struct tli_part *part)
{
    uint64_t size = part->end - part->start;
    for (uint64_t i = 0; i < size;) {
        uint64_t index = part->base + i;
        struct tli_insn insn;
        uint64_t bare = ~f->covered[index >> 6] >> (index & 63);
        if (!bare) {
            i += 64 - (index & 63);
        } else if (!(bare & 1)) {
            i += (uint64_t)__builtin_ctzll(bare);
        } else if (part->region->bytes[part->start + i - part->region->start] == 0) {
            i++;
        } else if (tli_flow_decode(f, part->start + i, &insn) &&
                   (insn.class == TLI_NOP || insn.class == TLI_INT3 || insn.class == TLI_STOP)) {
            i += insn.length;
        } else {
            f->facts->doubts |= TLI_DOUBT_BYTES;
            return;
        }
    }
}

/* What is proven here is proven for the file. */
void tli_flow_publish(struct tli_flow *f, const struct tli_part *part)
{
    check_covered(f, part);
    struct tli_region *region = tli_region_at(f->m, part->start);
    uint64_t size = part->end - part->start, to = part->start - region->start;
    for (uint64_t i = 0, bits; i < size; i += bits) {
        uint64_t index = part->base + i, at = to + i;
        bits = 64 - (index & 63) < 64 - (at & 63) ? 64 - (index & 63) : 64 - (at & 63);
        bits = bits < size - i ? bits : size - i;
        uint64_t found = f->starts[index >> 6] >> (index & 63) & ~UINT64_C(0) >> (64 - bits);
        region->starts[at >> 6] |= found << (at & 63);
    }
}

void tli_flow_release(struct tli_flow *f)
{
    free(f->starts);
    free(f->covered);
    free(f->work);
    free(f->branches);
    free(f->pending);
    free(f->run);
    free(f->pads);
    free(f->deferred);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void sort_references(struct tli_module *m)
{
    if (m->ref_count)
        qsort(m->refs, m->ref_count, 8, by_value);
    m->refs_sorted = m->ref_count;
}

/* Functions without a way out. What stands behind a call of one is walked all the same, it may be mistaken; but a value
 * is not looked for through such a call, where a wrong edge hides what a jump table is. */
static void learn_endless(struct tli_module *m, const struct tli_flow *f)
{
    size_t waiting = 0;
    for (uint32_t i = 0; i < m->module->function_count; i++) {
        struct tli_facts *facts = &m->facts[i];
        bool waits = waiting < f->deferred_count && f->deferred[waiting] == i;
        waiting += waits;
        bool leaves = waits || facts->doubts;
        for (uint32_t e = 0; e < facts->exit_count && !leaves; e++)
            leaves = m->exits[facts->exit_first + e].kind != TLI_EXIT_LOOP;
        facts->endless = !leaves;
    }
}

/* The length of a jump table may be known only by what follows it, so a function with indirect jumps waits until it is
 * known what else refers to read-only data: in the second round what the others refer to, in the third what its own
 * code behind such tables does. What is found before the last round of a function counts for nothing else. */
void tli_flow_later_rounds(struct tli_flow *f)
{
    struct tli_module *m = f->m;
    for (f->round = 2; f->round <= 3; f->round++) {
        size_t count = f->deferred_count;
        sort_references(m);
        f->deferred_count = 0; /* each that stays deferred is written where it, or one before it, was read */
        for (size_t i = 0; i < count && !m->out_of_memory; i++)
            tli_flow_function(f, f->deferred[i]);
    }
}

bool tli_flow_all(struct tli_module *m)
{
    struct tli_flow f = {.m = m, .budget = tli_flow_budget(m)};
    f.pads = calloc(TLI_PADS_MAX, 8);
    if (!f.pads)
        return false;
    f.round = 1;
    tli_flow_first_round(&f);
    learn_endless(m, &f);
    tli_flow_later_rounds(&f);
    tli_flow_release(&f);
    return !m->out_of_memory;
}
