/* SPDX-License-Identifier: MIT
 *
 * Memory at addresses that may be wrong; see peek.h. One instruction does it, so that a fault is known by its address.
 */
#include <kernel/peek.h>
#include <regs.h>

extern const char peek_copy[], peek_copied[];

__attribute__((noinline)) static size_t copy(void *to, const void *from, size_t size)
{
    size_t left = size;
    __asm__ volatile(".globl peek_copy, peek_copied\n"
                     "peek_copy: rep movsb\n"
                     "peek_copied:"
                     : "+D"(to), "+S"(from), "+c"(left)
                     :
                     : "memory");
    return size - left;
}

bool peek_fault(struct tl_regs *regs)
{
    if (regs->ip != (uintptr_t)peek_copy)
        return false;
    regs->ip = (uintptr_t)peek_copied;
    return true;
}

size_t peek(void *to, uintptr_t address, size_t size)
{
    return copy(to, (const void *)address, size);
}

size_t peek_write(uintptr_t address, const void *from, size_t size)
{
    return copy((void *)address, from, size);
}
