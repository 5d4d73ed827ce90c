/* SPDX-License-Identifier: MIT
 *
 * The few words of the kernel that differ between the widths. Twin: kernel/64/width.h.
 */
#ifndef KERNEL_WIDTH_H
#define KERNEL_WIDTH_H

#include <stdint.h>

#define WIDTH_STACK_POINTER "%%esp"

/* What EFER must hold besides. */
#define WIDTH_EFER 0

/* Page tables (PAE): the four entries of the third level, one a GiB, are the root, and have no permissions. */
#define WIDTH_GIB_FLAGS 0x1

static inline uintptr_t width_map_root(uint64_t *fourth, const uint64_t *third)
{
    (void)fourth;
    return (uintptr_t)third;
}

#endif
