/* SPDX-License-Identifier: MIT
 *
 * The library that programs/plugins.c loads and unloads. Built shared by libraries_test.sh.
 */
#include <stdlib.h>

static unsigned long calls;
unsigned long p_add(unsigned long x);
unsigned long p_calls(void);
int p_compare(const void *left, const void *right);
unsigned long p_sort(unsigned long seed);

__attribute__((constructor)) static void p_begin(void)
{
    calls = 1000;
}

unsigned long p_add(unsigned long x)
{
    calls++;
    return x + calls;
}

int p_compare(const void *left, const void *right)
{
    unsigned a = *(const unsigned *)left, b = *(const unsigned *)right;
    return a < b ? -1 : a > b;
}

/* Goes through libc and comes back: qsort calls p_compare. */
unsigned long p_sort(unsigned long seed)
{
    unsigned numbers[64];
    for (int i = 0; i < 64; i++)
        numbers[i] = (unsigned)(seed = seed * 6364136223846793005u + 1442695040888963407u) >> 3;
    qsort(numbers, 64, sizeof numbers[0], p_compare);
    for (int i = 1; i < 64; i++)
        if (numbers[i - 1] > numbers[i])
            return 0;
    return 1;
}

unsigned long p_calls(void)
{
    return calls;
}
