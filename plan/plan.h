/* SPDX-License-Identifier: MIT
 *
 * The plan: which functions an ELF file has, where each begins and ends, where it can be left, and the
 * sites that trace it. Works on files only, never on a process; addresses are those in the file
 * (p_vaddr); whoever arms adds the load bias. Called by tracer/ and cli/ from any one thread at a time per module.
 */
#ifndef TL_PLAN_H
#define TL_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wire/site.h>

/* How a function's exits are traced, over all of them: the weakest that one of them needs. */
enum tl_plan_exits {
    TL_EXITS_NONE =
        0,         /* not traced; why says it. Also a function that is proven never to return: why is "never returns" */
    TL_EXITS_SITE, /* all by jump sites (or inside the entry's window) */
    TL_EXITS_HOOK,
    TL_EXITS_TRAP, /* at least one by an int3 */
};

struct tl_plan_function {
    const char *name; /* as in the symbol table (mangled), without @VERSION; NULL: no name, print module+0xADDRESS */
    uint64_t address; /* of the entry, in the file */
    uint64_t size;    /* bytes of the part that holds the entry */
    uint8_t entry;    /* enum tl_site_tactic; TL_TACTIC_NONE: why says it */
    uint8_t exits;    /* enum tl_plan_exits */
    bool selected;
    const char *why;     /* "" or a reason, a static string */
    uint32_t site_first; /* into sites[], after tl_module_plan() */
    uint32_t site_count;
};

/* wire.address is the address in the file, wire.function the index into functions[]. */
struct tl_module {
    char *path;                /* as opened */
    char *name;                /* last path component, what MODULE: globs match and lists print */
    bool position_independent; /* ET_DYN */
    bool is_64;
    uint64_t entry; /* e_entry */
    uint8_t build_id[32];
    uint32_t build_id_bytes;
    struct tl_plan_function *functions; /* sorted by address, one per address */
    size_t function_count;
    struct tl_wire_site *sites; /* sorted by address */
    size_t site_count;
    struct tl_wire_site *guards; /* mov $nr,%eax ... syscall runs whole file; .function: 0, or index + 1 of the function
                                    that begins there */
    size_t guard_count;
    uint8_t force; /* of the filter */
    void *internal;
};

/* Opens path (what the process sees as label: its file name becomes module name; label may be NULL) and finds its
 * functions: .symtab, .dynsym, .eh_frame, .gnu_debugdata, and a separate debug file by build-id or debuglink
 * where one is installed. On failure returns NULL and writes one sentence without a full stop, without the program's
 * name, into error. A corrupt file never crashes it. */
struct tl_module *tl_module_open(const char *path, const char *label, char *error, size_t error_bytes);
/* The same for a file of which no function is wanted: its guards are found, its functions only as far as that takes. */
struct tl_module *tl_module_open_guards(const char *path, const char *label, char *error, size_t error_bytes);
void tl_module_close(struct tl_module *module);

/* Makes sites for all functions with .selected set, and fills their entry, exits, why. Callable again after the
 * selection changed (sites are made anew). Returns false only when out of memory. */
bool tl_module_plan(struct tl_module *module);

/* What -f and -x say. Patterns are [MODULE:]GLOB as fnmatch(3) reads them, matched against the symbol name, the
 * demangled name, and the demangled name without its argument list. */
struct tl_filter {
    const char **include;
    size_t include_count; /* 0: all */
    const char **exclude;
    size_t exclude_count;
    uint8_t force; /* --tactic, for tests: enum tl_site_tactic, 0: the cheapest. Where it cannot be had, another one. */
};

/* What list and --tactic call an enum tl_site_tactic; -1: nothing is called name. */
extern const char *const tl_tactic_names[];
int tl_tactic_named(const char *name);

/* Sets .selected of every function, and .force; returns how many are selected. */
size_t tl_module_select(struct tl_module *module, const struct tl_filter *filter);

/* The up to max names of module nearest to the pattern (edit distance), best first; static until the module is
 * closed. Returns how many. */
size_t tl_module_nearest(struct tl_module *module, const char *pattern, const char **names, size_t max);

/* C++, Rust and D names as people write them; returns a new string (free it), the name itself if it is not mangled. */
char *tl_demangle(const char *name);

#endif
