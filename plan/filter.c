/* SPDX-License-Identifier: MIT
 *
 * -f and -x: which functions are meant by [MODULE:]GLOB, and which names are near to one that nothing matches.
 * Called by tracer/ and cli/.
 */
#include <fnmatch.h>
#include <plan/module.h>
#include <plan/names.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES_MAX 256 /* for distances; longer ones are cut */

/* The part of the pattern that names functions, if it speaks of this module. A C++ name holds "::", so a colon ends a
 * module's name only if it stands alone. */
static const char *function_part(const struct tl_module *module, const char *pattern, bool *applies)
{
    *applies = true;
    for (const char *colon = strchr(pattern, ':'); colon; colon = strchr(colon + 1, ':')) {
        if (colon[1] == ':') {
            colon++;
            continue;
        }
        char *name = strndup(pattern, (size_t)(colon - pattern));
        *applies = name && (!*name || fnmatch(name, module->name, 0) == 0);
        free(name);
        return colon + 1;
    }
    return pattern;
}

static bool matches_demangled(const char *glob, const char *name)
{
    bool matches = false;
    if (!tli_is_mangled(name))
        return false;
    for (int arguments = 0; arguments < 2 && !matches; arguments++) {
        char *plain = tli_demangle_as(name, arguments);
        matches = plain && fnmatch(glob, plain, 0) == 0;
        free(plain);
    }
    return matches;
}

static bool matches(const struct tl_module *module, size_t index, const char *glob)
{
    const struct tli_module *m = module->internal;
    const struct tli_facts *facts = &m->facts[index];
    const struct tl_plan_function *function = &module->functions[index];
    if (strcmp(glob, "*") == 0)
        return true;
    if (!function->name) {
        char name[NAME_BYTES_MAX];
        snprintf(name, sizeof name, "%s+0x%llx", module->name, (unsigned long long)function->address);
        return fnmatch(glob, name, 0) == 0;
    }
    /* any of its names will do */
    for (uint32_t i = 0; i < facts->symbol_count; i++) {
        const char *name = m->symbols[facts->symbol_first + i].name;
        if (fnmatch(glob, name, 0) == 0 || matches_demangled(glob, name))
            return true;
    }
    return false;
}

/* Sets, or clears, what a pattern matches. */
static void apply(struct tl_module *module, const char *pattern, bool value)
{
    bool applies;
    const char *glob = function_part(module, pattern, &applies);
    for (size_t i = 0; applies && i < module->function_count; i++)
        if (module->functions[i].selected != value && matches(module, i, glob))
            module->functions[i].selected = value;
}

const char *const tl_tactic_names[] = {"none", "sled", "jump", "short", "trap"};

int tl_tactic_named(const char *name)
{
    for (int i = TL_TACTIC_NONE; i <= TL_TACTIC_TRAP; i++)
        if (strcmp(tl_tactic_names[i], name) == 0)
            return i;
    return -1;
}

size_t tl_module_select(struct tl_module *module, const struct tl_filter *filter)
{
    size_t count = 0;
    module->force = filter->force;
    for (size_t i = 0; i < module->function_count; i++)
        module->functions[i].selected = filter->include_count == 0;
    for (size_t i = 0; i < filter->include_count; i++)
        apply(module, filter->include[i], true);
    for (size_t i = 0; i < filter->exclude_count; i++)
        apply(module, filter->exclude[i], false);
    for (size_t i = 0; i < module->function_count; i++)
        count += module->functions[i].selected;
    return count;
}

/* Edit distance between a glob and a name: a star stands for anything, for nothing a change. */
static unsigned distance(const char *glob, const char *name)
{
    unsigned row[NAME_BYTES_MAX + 1];
    size_t length = strnlen(name, NAME_BYTES_MAX);
    for (size_t j = 0; j <= length; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; i < NAME_BYTES_MAX && glob[i]; i++) {
        bool star = glob[i] == '*';
        unsigned corner = row[0];
        row[0] += !star;
        for (size_t j = 1; j <= length; j++) {
            unsigned above = row[j], changed = corner + (glob[i] != name[j - 1] && glob[i] != '?');
            unsigned best = star ? above : changed;
            unsigned left = row[j - 1] + !star, down = above + !star;
            best = left < best ? left : best;
            row[j] = down < best ? down : best;
            corner = above;
        }
    }
    return row[length];
}

struct near {
    const char *name;
    unsigned distance;
};

/* Keeps the list sorted and at most max long. */
static void offer(struct near *list, size_t *count, size_t max, const char *name, unsigned far)
{
    size_t at = *count;
    while (at > 0 &&
           (far < list[at - 1].distance || (far == list[at - 1].distance && strcmp(name, list[at - 1].name) < 0)))
        at--;
    if (at >= max)
        return;
    if (*count < max)
        ++*count;
    memmove(list + at + 1, list + at, (*count - at - 1) * sizeof *list);
    list[at] = (struct near){name, far};
}

size_t tl_module_nearest(struct tl_module *module, const char *pattern, const char **names, size_t max)
{
    struct tli_module *m = module->internal;
    struct near list[16];
    size_t count = 0;
    bool applies;
    const char *glob = function_part(module, pattern, &applies);
    if (max > sizeof list / sizeof *list)
        max = sizeof list / sizeof *list;
    for (size_t i = 0; max && i < module->function_count; i++) {
        const char *name = module->functions[i].name;
        if (!name)
            continue;
        char *plain = tli_is_mangled(name) ? tli_demangle_as(name, false) : NULL;
        unsigned far = distance(glob, plain ? plain : name);
        if (count == max && far >= list[count - 1].distance) {
            free(plain);
            continue;
        }
        const char *kept = plain ? tli_keep_string(m, plain) : name;
        if (kept)
            offer(list, &count, max, kept, far);
    }
    for (size_t i = 0; i < count; i++)
        names[i] = list[i].name;
    return count;
}
