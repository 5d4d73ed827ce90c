/* SPDX-License-Identifier: MIT
 *
 * Demangling: C++, Rust and D by libiberty. Called by filter.c, and through tl_demangle() by all who print names.
 */
#include <libiberty/demangle.h>
#include <plan/names.h>
#include <plan/plan.h>
#include <stdlib.h>
#include <string.h>

bool tli_is_mangled(const char *name)
{
    name += strspn(name, "_") > 1 && strncmp(name, "__Z", 3) == 0;
    return strncmp(name, "_Z", 2) == 0 || strncmp(name, "_R", 2) == 0 || strncmp(name, "_D", 2) == 0;
}

char *tli_demangle_as(const char *name, bool arguments)
{
    int options = DMGL_ANSI | DMGL_AUTO | (arguments ? DMGL_PARAMS : 0);
    char *plain = rust_demangle(name, options);
    if (plain)
        return plain;
    if (strncmp(name, "_D", 2) == 0)
        return dlang_demangle(name, options);
    return cplus_demangle_v3(name, options);
}

char *tl_demangle(const char *name)
{
    char *plain = tli_is_mangled(name) ? tli_demangle_as(name, true) : NULL;
    return plain ? plain : strdup(name);
}
