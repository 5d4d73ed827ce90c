/* SPDX-License-Identifier: MIT
 *
 * Memory at addresses that may be wrong: a copy that ends where a page is missing, instead of ending the kernel. For
 * the debugger and the backtrace. Any context in which a page fault may be taken; carries no site.
 */
#ifndef KERNEL_PEEK_H
#define KERNEL_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tl_regs;

/* Returns how many of the size bytes were copied, from the first on. */
size_t peek(void *to, uintptr_t address, size_t size);
size_t peek_write(uintptr_t address, const void *from, size_t size);

/* A page or protection fault in kernel mode, before anything else is done about it. True: it was one of the copies
 * above, and regs are set so that it ends. */
bool peek_fault(struct tl_regs *regs);

#endif
