/* SPDX-License-Identifier: MIT
 *
 * Names as people write them, inside plan/; the door is tl_demangle() in plan.h.
 */
#ifndef TL_PLAN_NAMES_H
#define TL_PLAN_NAMES_H

#include <stdbool.h>

bool tli_is_mangled(const char *name);
/* With or without the argument list; a new string, or NULL if it is not a mangled name. */
char *tli_demangle_as(const char *name, bool arguments);

#endif
