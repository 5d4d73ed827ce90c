/* SPDX-License-Identifier: MIT
 *
 * Planning several modules side by side: each is one thread's, the largest first, so that the last to end are small.
 */
#ifndef TL_TRACER_PLANNING_H
#define TL_TRACER_PLANNING_H

#include <plan/plan.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One module to plan. The caller fills the first part, the strings stay its own. */
struct tl_planning {
    char *path;                     /* NULL: it is passed over */
    char *label;                    /* as tl_module_open() wants it */
    const struct tl_filter *filter; /* NULL: only its guards are wanted */
    uint64_t bytes;                 /* of the file */

    struct tl_module *module; /* NULL: reason is one sentence */
    bool selected;            /* some of its functions are to be traced, and are planned */
    char reason[512];
};

/* Plans count modules, on as many processors as there are, this thread's among them. */
void tl_planning_run(struct tl_planning *plannings, size_t count);

#endif
