/* SPDX-License-Identifier: MIT
 *
 * What the files of the plan share: a module opened, as tables. Nothing of this leaves plan/.
 * All addresses are those in the file. All bytes come from the mapped file and are checked against its end here, once:
 * whoever has a pointer from tli_bytes_at() may read as many bytes as it says.
 */
#ifndef TL_PLAN_MODULE_H
#define TL_PLAN_MODULE_H

#include <plan/plan.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define TLI_NO_INDEX UINT32_MAX
#define TLI_SEGMENTS_MAX 64

/* A loaded part of the file. */
struct tli_segment {
    uint64_t start, end; /* only what has bytes in the file */
    const uint8_t *bytes;
    bool execute, write;
};

/* Executable bytes, with what is known of each of them: one bit a byte. */
struct tli_region {
    uint64_t start, end;
    const uint8_t *bytes;
    uint64_t *starts;  /* an instruction is proven to begin here */
    uint64_t *targets; /* somebody may arrive here other than by falling through: a branch, a return, an unwinder */
    uint64_t *taken;   /* called directly, or its address is taken: by code, data, a jump table */
    uint64_t *claimed; /* part of a window */
    uint64_t *written; /* overwritten by a site */
};

struct tli_section { /* executable ones only; sorted, not overlapping */
    uint64_t start, end;
    bool plt;
};

struct tli_symbol { /* sorted by address, then best name first */
    uint64_t address, size;
    const char *name;
    uint8_t rank; /* lower is better */
};

struct tli_cie {
    uint64_t address;
    const uint8_t *program, *program_end; /* call frame instructions */
    uint64_t code_align;
    int64_t data_align;
    uint8_t pointer_encoding, lsda_encoding;
    bool sized, signal, has_lsda; /* sized: the augmentation begins with z */
};

struct tli_fde { /* sorted by start */
    uint64_t start, end;
    uint64_t lsda; /* 0: none */
    const uint8_t *program, *program_end;
    uint32_t cie;
    bool is_entry; /* at start the return address lies on top of the stack: a function may begin here */
};

struct tli_reloc { /* sorted by where */
    uint64_t where, value;
};

enum tli_exit_kind {
    TLI_EXIT_RET,
    TLI_EXIT_JUMP, /* direct, conditional or not */
    TLI_EXIT_INDIRECT,
    TLI_EXIT_LOOP, /* no exit: a branch back to the entry */
};

struct tli_exit {
    uint64_t address;
    uint8_t length;
    uint8_t kind;
};

/* A piece of a function away from its entry. Before somebody jumps to it, nobody owns it. */
struct tli_cold {
    uint64_t start, end;
    uint32_t owner;
    uint32_t next; /* of the same owner */
    bool shared;
};

enum tli_doubt {
    TLI_DOUBT_INDIRECT = 1 << 0, /* an indirect jump that is not understood */
    TLI_DOUBT_BYTES = 1 << 1,    /* bytes that nothing leads to */
    TLI_DOUBT_OVERLAP = 1 << 2,  /* two readings of the same bytes */
    TLI_DOUBT_INVALID = 1 << 3,  /* a path leads to bytes that are no instruction */
    TLI_DOUBT_FALLS = 1 << 4,    /* runs over its end into what follows */
    TLI_DOUBT_INNER = 1 << 5,    /* calls its own inner parts: not every ret leaves it */
    TLI_DOUBT_SHARED = 1 << 6,   /* uses a cold part that another function uses, too */
    TLI_DOUBT_BUDGET = 1 << 7,   /* not looked at: too much overlapping code in this file */
};
/* With one of these no exit of the function is known well enough to be patched. */
#define TLI_DOUBT_ALL_EXITS (TLI_DOUBT_OVERLAP | TLI_DOUBT_INVALID | TLI_DOUBT_INNER | TLI_DOUBT_BUDGET)

struct tli_facts { /* of functions[] with the same index */
    uint32_t exit_first, exit_count;
    uint32_t cold; /* first of its cold parts */
    uint32_t symbol_first, symbol_count;
    uint32_t trapped; /* exits by an int3, of the last plan */
    uint8_t doubts;
    bool no_return; /* by its name */
    bool endless;   /* by its code: no way out of it was found */
};

/* A jump that leaves a function: what tells a cold part from a function in a stripped file. */
struct tli_leap {
    uint64_t target;
    uint32_t from;
    bool conditional;
};

struct tli_range {
    uint64_t start, end;
};

struct tli_module {
    struct tl_module *module;
    const uint8_t *file;
    size_t file_bytes;
    void *handles; /* struct tli_elf list, to be closed */
    struct tli_segment segments[TLI_SEGMENTS_MAX];
    size_t segment_count;
    struct tli_region regions[TLI_SEGMENTS_MAX];
    size_t region_count;
    struct tli_section *sections;
    size_t section_count, section_capacity;
    bool has_sections;
    uint64_t frame_start, frame_end; /* .eh_frame */
    uint64_t rseq_start, rseq_end;   /* __rseq_cs */
    struct tli_symbol *symbols;      /* functions */
    size_t symbol_count, symbol_capacity;
    struct tli_range *labels; /* other symbols in executable sections */
    size_t label_count, label_capacity;
    struct tli_cie *cies;
    size_t cie_count, cie_capacity;
    struct tli_fde *fdes;
    size_t fde_count, fde_capacity;
    struct tli_reloc *relocs; /* relative ones */
    size_t reloc_count, reloc_capacity;
    uint64_t *code_pointers; /* values of relocs that point into code; sorted */
    size_t code_pointer_count;
    uint64_t *no_return_slots; /* GOT slots of functions known not to return; sorted */
    size_t no_return_count, no_return_capacity;
    struct tli_range *nogo; /* restartable sequences */
    size_t nogo_count, nogo_capacity;
    struct tli_cold *colds; /* sorted by start */
    size_t cold_count, cold_capacity;
    struct tli_facts *facts;
    struct tli_exit *exits;
    size_t exit_count, exit_capacity;
    struct tli_leap *leaps;
    size_t leap_count, leap_capacity;
    uint64_t *refs; /* addresses in read-only data that code takes; the first refs_sorted in order */
    size_t ref_count, ref_capacity, refs_sorted;
    size_t function_capacity, site_capacity, guard_capacity;
    char **strings; /* owned */
    size_t string_count, string_capacity;
    bool out_of_memory;
};

/* elf.c */
bool tli_elf_open(struct tli_module *m, const char *path, const char *label, char *error, size_t error_bytes);
void tli_elf_close(struct tli_module *m);
const uint8_t *tli_bytes_at(const struct tli_module *m, uint64_t address, size_t *available);
struct tli_region *tli_region_at(struct tli_module *m, uint64_t address);
const struct tli_section *tli_section_at(const struct tli_module *m, uint64_t address);
bool tli_read(const struct tli_module *m, uint64_t address, void *out, size_t size);
uint64_t tli_pointer_at(const struct tli_module *m, uint64_t address, bool *ok);

/* symbols.c, debug.c, relocs.c, ehframe.c, functions.c */
bool tli_symbols_read(struct tli_module *m, const char *label);
char *tli_keep_string(struct tli_module *m, char *string);
void tli_relocs_read(struct tli_module *m);
bool tli_is_no_return_name(const char *name);
void tli_frames_read(struct tli_module *m);
const struct tli_fde *tli_fde_at(const struct tli_module *m, uint64_t address);
/* Is the return address on top of the stack at pc: 1 yes, 0 no, -1 unknown. */
int tli_frame_is_bare(const struct tli_module *m, uint64_t pc);
size_t tli_landing_pads(const struct tli_module *m, const struct tli_fde *fde, uint64_t *pads, size_t max);
void tli_functions_build(struct tli_module *m);
void tli_colds_sort(struct tli_module *m);
uint32_t tli_function_index(const struct tl_module *module, uint64_t address);
struct tli_cold *tli_cold_at(struct tli_module *m, uint64_t address);

/* rounds.c, near.c, cold.c, guard.c */
bool tli_flow_all(struct tli_module *m);
/* Only what must be known to find guards; false: that it takes the walk over all functions, of a module opened anew. */
bool tli_flow_near_guards(struct tli_module *m);
bool tli_colds_merge(struct tli_module *m);
void tli_guards_find(struct tli_module *m);
/* All that may be a guard, by the bytes alone, into the module's guards; tli_guards_find() begins anew. */
void tli_guards_candidates(struct tli_module *m);
/* Before anything is known but the bytes: false if tli_guards_find() can find nothing. */
bool tli_guards_possible(struct tli_module *m);

/* Room for one more item: the array, moved or not; NULL and out_of_memory set if there is none. */
static inline void *tli_more(struct tli_module *m, void *items, size_t *capacity, size_t count, size_t item_bytes)
{
    if (count < *capacity)
        return items;
    size_t wanted = *capacity ? *capacity * 2 : 64;
    void *grown = reallocarray(items, wanted, item_bytes);
    if (!grown) {
        m->out_of_memory = true;
        return NULL;
    }
    *capacity = wanted;
    return grown;
}

#define TLI_PUSH(m, array, count, capacity, ...)                                                                       \
    do {                                                                                                               \
        void *pushed_ = tli_more((m), (array), &(capacity), (count), sizeof *(array));                                 \
        if (pushed_) {                                                                                                 \
            (array) = pushed_;                                                                                         \
            (array)[(count)++] = (__VA_ARGS__);                                                                        \
        }                                                                                                              \
    } while (0)

static inline bool tli_bit(const uint64_t *map, uint64_t index)
{
    return map[index >> 6] >> (index & 63) & 1;
}

static inline void tli_bit_set(uint64_t *map, uint64_t index)
{
    map[index >> 6] |= UINT64_C(1) << (index & 63);
}

static inline void tli_bit_clear(uint64_t *map, uint64_t index)
{
    map[index >> 6] &= ~(UINT64_C(1) << (index & 63));
}

#endif
