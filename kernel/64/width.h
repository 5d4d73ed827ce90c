/* SPDX-License-Identifier: MIT
 *
 * The few words of the kernel that differ between the widths. Twin: kernel/32/width.h.
 */
#ifndef KERNEL_WIDTH_H
#define KERNEL_WIDTH_H

#include <stdint.h>

#define WIDTH_STACK_POINTER "%%rsp"

/* What EFER must hold besides. */
#define WIDTH_EFER 0x100 /* long mode */

/* Page tables: the four entries of the third level, one a GiB, hang on a fourth level. */
#define WIDTH_GIB_FLAGS 0x7

static inline uintptr_t width_map_root(uint64_t *fourth, const uint64_t *third)
{
    fourth[0] = (uintptr_t)third | 0x7;
    return (uintptr_t)fourth;
}

#endif
