/* SPDX-License-Identifier: MIT
 *
 * T threads call known functions known times: counts [T] [N]. Also built static, musl, stripped, ... by kinds_test.sh.
 */
#include "traced.h"
#include <pthread.h>

static unsigned long rounds;

static TRACED unsigned long f_leaf(unsigned long x)
{
    return x + 1;
}

static TRACED void f_nothing(void)
{
    __asm__ volatile("");
}

static TRACED unsigned long f_step(unsigned long x)
{
    f_nothing();
    return f_leaf(x) ^ f_leaf(x + 3);
}

static TRACED double f_real(double x, double y, float z)
{
    return x * y + (double)z;
}

static TRACED int f_many(int a, int b, int c, int d, int e, int f, int g, int h)
{
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h;
}

static void *thread(void *unused)
{
    (void)unused;
    for (unsigned long i = 0; i < rounds; i++) {
        CHECK(f_step(i) == ((i + 1) ^ (i + 4)));
        CHECK(f_real((double)i, 2, 1) == (double)i * 2 + 1);
        CHECK(f_many(1, 2, 3, 4, 5, 6, 7, (int)(i & 255)) == 140 + 8 * (int)(i & 255));
    }
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned long threads = argument(argc, argv, 1, 4);
    pthread_t ids[64];
    rounds = argument(argc, argv, 2, 20000);
    CHECK(threads <= 64);
    for (unsigned long i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, thread, NULL) == 0);
    for (unsigned long i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    COUNT(f_step, threads * rounds);
    COUNT(f_leaf, threads * rounds * 2);
    COUNT(f_nothing, threads * rounds);
    COUNT(f_real, threads * rounds);
    COUNT(f_many, threads * rounds);
    printf("unreturned 0\n");
    return 0;
}
