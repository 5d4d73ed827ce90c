/* SPDX-License-Identifier: MIT
 *
 * The address space: memory where it lies, no page both writable and executable, page 0 missing. One map for all, and
 * one more that the text window is in.
 */
#ifndef KERNEL_PAGING_H
#define KERNEL_PAGING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PAGING_READ = 0x1, /* present */
    PAGING_WRITE = 0x2,
    PAGING_USER = 0x4,
    PAGING_EXEC = 0x10000, /* not a bit of the tables */
};

/* Makes the map and turns it on: once, by the first CPU. memory_end: of what is to be mapped. */
void paging_begin(uintptr_t memory_end);

/* The same map for another CPU: what its CR3 must be, and the rest. */
uintptr_t paging_root(void);
void paging_enable(void);

/* True if the CPUs can forbid execution; else data pages are executable as far as they care. */
bool paging_no_execute(void);

/* Maps size bytes at address, below 4 GiB and outside the kernel, to fresh zeroed pages. False: something is there, or
 * there is no memory; nothing is changed then. Thread context. */
bool paging_map(uintptr_t address, size_t size, unsigned access);

/* What is at address: the page's entry, 0 if none; any context. */
uint64_t paging_entry(uintptr_t address);

#endif
