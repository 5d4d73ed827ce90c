/* SPDX-License-Identifier: MIT
 *
 * The door of the plan: opening and closing a module, in the order in which its tables depend on each other.
 * Called by tracer/ and cli/.
 */
#include <plan/module.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* The file is there and is x86-64: identity is read from its header, bounds were checked. */
static void describe(struct tli_module *m)
{
    struct tl_module *module = m->module;
    module->is_64 = true;
    module->position_independent = m->file[16] == 3; /* ET_DYN */
    memcpy(&module->entry, m->file + 24, 8);
}

/* How much of a module is wanted. */
enum scope { ALL, GUARDS, GUARDS_BY_ALL };

/* Of GUARDS: not enough when it takes the walk over all functions. */
enum outcome { DONE, NO_MEMORY, NOT_ENOUGH };

static enum outcome analyse(struct tli_module *m, const char *label, enum scope scope)
{
    if (scope == GUARDS && !tli_guards_possible(m))
        return DONE;
    if (!tli_symbols_read(m, label))
        return NO_MEMORY;
    tli_relocs_read(m);
    tli_frames_read(m);
    if (m->out_of_memory)
        return NO_MEMORY;
    tli_functions_build(m);
    if (m->out_of_memory)
        return NO_MEMORY;
    if (scope == GUARDS && !tli_flow_near_guards(m))
        return NOT_ENOUGH;
    if (scope != GUARDS && (!tli_flow_all(m) || !tli_colds_merge(m)))
        return NO_MEMORY;
    tli_guards_find(m);
    return m->out_of_memory ? NO_MEMORY : DONE;
}

static struct tl_module *open_module(const char *path, const char *label, enum scope scope, char *error,
                                     size_t error_bytes)
{
    struct tl_module *module = calloc(1, sizeof *module);
    struct tli_module *m = calloc(1, sizeof *m);
    const char *seen = label ? label : path;
    if (!module || !m) {
        free(module);
        free(m);
        snprintf(error, error_bytes, "cannot open '%s': out of memory", seen);
        return NULL;
    }
    module->internal = m;
    m->module = module;
    module->path = strdup(path);
    module->name = strdup(last_component(seen));
    if (module->path && module->name && tli_elf_open(m, path, seen, error, error_bytes)) {
        describe(m);
        enum outcome outcome = analyse(m, seen, scope);
        if (outcome == DONE)
            return module;
        snprintf(error, error_bytes, "cannot open '%s': out of memory", seen);
        if (outcome == NOT_ENOUGH) {
            tl_module_close(module);
            return open_module(path, label, GUARDS_BY_ALL, error, error_bytes);
        }
    }
    tl_module_close(module);
    return NULL;
}

struct tl_module *tl_module_open(const char *path, const char *label, char *error, size_t error_bytes)
{
    return open_module(path, label, ALL, error, error_bytes);
}

struct tl_module *tl_module_open_guards(const char *path, const char *label, char *error, size_t error_bytes)
{
    return open_module(path, label, GUARDS, error, error_bytes);
}

void tl_module_close(struct tl_module *module)
{
    if (!module)
        return;
    struct tli_module *m = module->internal;
    tli_elf_close(m);
    for (size_t i = 0; i < m->string_count; i++)
        free(m->strings[i]);
    void *const tables[] = {m->strings,  m->sections,       m->symbols,       m->labels,      m->cies,
                            m->fdes,     m->relocs,         m->nogo,          m->colds,       m->facts,
                            m->exits,    m->leaps,          m->code_pointers, m->refs,        m->no_return_slots,
                            m,           module->functions, module->sites,    module->guards, module->path,
                            module->name};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        free(tables[i]);
    free(module);
}
