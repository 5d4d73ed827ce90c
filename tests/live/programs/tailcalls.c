/* SPDX-License-Identifier: MIT
 *
 * Tail calls: direct, conditional, indirect through a register and through memory, and a million in a row, which only
 * works if none of them leaves anything on the stack. The conditional and indirect ones are in asm/tails.S.
 */
/* build: tests/live/asm/tails.S */
#include "traced.h"

/* asm/tails.S. f_cond(x, y): jumps to f_zero if x is 0, else returns y. f_cond_short: the same with a short jcc. */
unsigned long f_cond(unsigned long x, unsigned long y);
unsigned long f_cond_short(unsigned long x, unsigned long y);
unsigned long f_zero(unsigned long x, unsigned long y);
unsigned long f_indirect(unsigned long x, unsigned long (*to)(unsigned long));
unsigned long f_table(unsigned long x, unsigned long index);
unsigned long f_bare_jump(unsigned long x);
unsigned long f_add(unsigned long x);
unsigned long f_double(unsigned long x);
unsigned long f_square(unsigned long x);

static TRACED unsigned long f_end(unsigned long x)
{
    return x * 3;
}

static TRACED unsigned long f_direct(unsigned long x)
{
    return f_end(x + 1);
}

static TRACED unsigned long f_twice(unsigned long x)
{
    return f_direct(x + 1);
}

static char *lowest, *highest;
static unsigned long ping_calls, pong_calls;

static TRACED unsigned long f_pong(unsigned long n, unsigned long sum);

static TRACED unsigned long f_ping(unsigned long n, unsigned long sum)
{
    char *here = __builtin_frame_address(0);
    if (here < lowest)
        lowest = here;
    if (here > highest)
        highest = here;
    ping_calls++;
    return n == 0 ? sum : f_pong(n - 1, sum + n);
}

static TRACED unsigned long f_pong(unsigned long n, unsigned long sum)
{
    pong_calls++;
    return n == 0 ? sum : f_ping(n - 1, sum + n);
}

int main(void)
{
    enum { ROUNDS = 10000 };
    for (unsigned long i = 0; i < ROUNDS; i++) {
        CHECK(f_direct(i) == (i + 1) * 3);
        CHECK(f_twice(i) == (i + 2) * 3);
        CHECK(f_cond(i & 1, i) == ((i & 1) ? i : i + 7));
        CHECK(f_cond_short(i & 1, i) == ((i & 1) ? i : i + 7));
        CHECK(f_indirect(i, f_add) == i + 5);
        CHECK(f_table(i, 0) == i + 5);
        CHECK(f_table(i, 1) == i * 2);
        CHECK(f_table(i, 2) == i * i);
        CHECK(f_bare_jump(i) == i + 5);
    }
    lowest = highest = __builtin_frame_address(0);
    char *start = lowest;
    CHECK(f_ping(1000000, 0) == 500000500000);
    CHECK(start - lowest < 65536);
    COUNT(f_direct, 2 * ROUNDS);
    COUNT(f_twice, ROUNDS);
    COUNT(f_end, 2 * ROUNDS);
    COUNT(f_cond, ROUNDS);
    COUNT(f_cond_short, ROUNDS);
    COUNT(f_zero, ROUNDS / 2);
    COUNT(f_near_zero, ROUNDS / 2);
    COUNT(f_indirect, ROUNDS);
    COUNT(f_table, 3 * ROUNDS);
    COUNT(f_bare_jump, ROUNDS);
    COUNT(f_add, 3 * ROUNDS);
    COUNT(f_double, ROUNDS);
    COUNT(f_square, ROUNDS);
    COUNT(f_ping, ping_calls);
    COUNT(f_pong, pong_calls);
    printf("unreturned 0\n");
    return 0;
}
