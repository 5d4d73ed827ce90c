/* SPDX-License-Identifier: MIT
 *
 * Recursion: one function, two in turn, three in turn, 200,000 deep on a large stack, and frames of megabytes.
 */
#include "traced.h"
#include <alloca.h>
#include <pthread.h>

static unsigned long fib_calls, even_calls, odd_calls, deep_calls, wide_calls, ack_calls;

static TRACED unsigned long f_fib(unsigned n)
{
    fib_calls++;
    if (n < 2)
        return n;
    unsigned long one = f_fib(n - 1), two = f_fib(n - 2);
    KEEP(two); /* no loop in place of a call */
    return one + two;
}

static TRACED unsigned long f_ackermann(unsigned long m, unsigned long n)
{
    ack_calls++;
    if (m == 0)
        return n + 1;
    unsigned long inner = n == 0 ? 1 : f_ackermann(m, n - 1);
    unsigned long result = f_ackermann(m - 1, inner);
    KEEP(result); /* no tail call */
    return result;
}

static TRACED int f_odd(unsigned long n);

static TRACED int f_even(unsigned long n)
{
    even_calls++;
    int result = n == 0 ? 1 : f_odd(n - 1);
    KEEP(result);
    return result;
}

static TRACED int f_odd(unsigned long n)
{
    odd_calls++;
    int result = n == 0 ? 0 : f_even(n - 1);
    KEEP(result);
    return result;
}

static TRACED unsigned long f_deep(unsigned long n)
{
    volatile unsigned long marker = n;
    deep_calls++;
    unsigned long below = n == 0 ? 0 : f_deep(n - 1);
    CHECK(marker == n);
    return below + 1;
}

static TRACED unsigned long f_wide(unsigned long n)
{
    volatile char *block = alloca(4u << 20);
    wide_calls++;
    block[0] = (char)n;
    block[(4u << 20) - 1] = (char)n;
    unsigned long below = n == 0 ? 0 : f_wide(n - 1);
    CHECK(block[0] == (char)n && block[(4u << 20) - 1] == (char)n);
    return below + 1;
}

static void *on_large_stack(void *unused)
{
    (void)unused;
    CHECK(f_deep(200000) == 200001);
    CHECK(f_wide(50) == 51);
    return NULL;
}

int main(void)
{
    pthread_t id;
    pthread_attr_t attributes;

    CHECK(f_fib(20) == 6765);
    CHECK(f_ackermann(2, 50) == 103);
    CHECK(f_even(10001) == 0 && f_odd(5001) == 1);
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, 512u << 20) == 0);
    CHECK(pthread_create(&id, &attributes, on_large_stack, NULL) == 0);
    CHECK(pthread_join(id, NULL) == 0);
    COUNT(f_fib, fib_calls);
    COUNT(f_ackermann, ack_calls);
    COUNT(f_even, even_calls);
    COUNT(f_odd, odd_calls);
    COUNT(f_deep, deep_calls);
    COUNT(f_wide, wide_calls);
    printf("unreturned 0\n");
    return 0;
}
