/* SPDX-License-Identifier: MIT
 *
 * Links: jumps that branches lead into, and what leads these branches past the int3. See links.c.
 */
#ifndef TL_PLAN_LINKS_H
#define TL_PLAN_LINKS_H

#include <plan/window.h>

/* A direct branch, where it stands and where it leads to. */
struct tli_source {
    uint64_t target, at;
};

/* The branches of the function that was asked about last. */
struct tli_links {
    struct tli_module *m;
    uint32_t function;
    struct tli_source *sources; /* sorted by target */
    size_t count, capacity;
    bool leaps_sorted; /* those of m */
};

/* Takes in a window by a jump over the instruction at address, and one for each branch into its first five bytes;
 * false: there is none, and nothing has changed. */
bool tli_links_window(struct tli_links *l, const struct tli_request *q, uint64_t address, struct tl_wire_site *site);

/* Takes in a window for each branch into the first five bytes of site that has room for one. */
void tli_links_add(struct tli_links *l, const struct tl_wire_site *site);

void tli_links_release(struct tli_links *l);

#endif
