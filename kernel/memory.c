/* SPDX-License-Identifier: MIT
 *
 * What a compiler may call for a copy or a zeroed structure, in a kernel without a library, too. Neither carries a
 * site: they are called wherever the compiler likes.
 */
#include <stddef.h>
#include <trapline/ftrace.h>

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);

TL_NOTRACE void *memcpy(void *to, const void *from, size_t size)
{
    void *at = to;
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
    return to;
}

TL_NOTRACE void *memset(void *to, int value, size_t size)
{
    void *at = to;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
    return to;
}
