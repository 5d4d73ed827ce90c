/* SPDX-License-Identifier: MIT
 *
 * A condition that costs a nop, and a function pointer that costs a jmp: both are changed in the running program.
 *
 *     cc -O2 -Iinclude examples/key.c build/libtrapline.a && ./a.out
 */
#include <stdio.h>
#include <trapline/key.h>
#include <trapline/self.h>

TL_KEY_OFF(verbose);

int sum_plain(const int *from, int count)
{
    int sum = 0;
    for (int i = 0; i < count; i++)
        sum += from[i];
    return sum;
}

int sum_backwards(const int *from, int count)
{
    int sum = 0;
    while (count-- > 0)
        sum += from[count];
    return sum;
}

TL_STATIC_CALL(sum, sum_plain);

static void work(void)
{
    static const int numbers[] = {1, 2, 3};
    int result = sum(numbers, 3);
    if (tl_key_unlikely(verbose))
        printf("the sum is %d\n", result);
}

int main(void)
{
    if (tl_self_start() != TL_OK || tl_keys_here() != TL_OK) {
        fprintf(stderr, "not possible here\n");
        return 1;
    }
    work(); /* says nothing */
    if (tl_key_set(&verbose.key, true) != TL_OK || tl_static_call_set(sum, sum_backwards) != TL_OK)
        return 1;
    work();
    return 0;
}
