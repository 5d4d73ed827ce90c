/* SPDX-License-Identifier: MIT
 *
 * Physical memory, in pages; it is mapped where it lies. First fit over a bitmap.
 */
#ifndef KERNEL_PAGES_H
#define KERNEL_PAGES_H

#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES 4096

/* Memory from begin to end is free. Once, at boot. */
void pages_begin(uintptr_t begin, uintptr_t end);

/* count pages in a row, zeroed, readable and writable; NULL: there are none. Not from an NMI or a breakpoint. */
void *pages_take(size_t count);
void pages_give(void *first, size_t count);

#endif
