/* SPDX-License-Identifier: MIT
 *
 * Calls the functions of asm/shorts.S, whose sites have less room than a jump, one with a branch each way.
 */
/* build: tests/live/asm/shorts.S */
#include "traced.h"

unsigned long f_pop(unsigned long x);
unsigned long f_zero(unsigned long x);
unsigned long f_both(unsigned long x);
unsigned f_loop(unsigned turns);
unsigned f_head(unsigned turns);
unsigned f_behind(unsigned long x);

int main(int argc, char **argv)
{
    unsigned long rounds = argument(argc, argv, 1, 10000);
    for (unsigned long i = 0; i < rounds; i++) {
        CHECK(f_pop(i) == i + 1 + (i & 1));
        CHECK(f_zero(i & 1) == ((i & 1) ? 9 : 0));
        CHECK(f_both(i) == ((i & 3) ? i + 5 : i));
        CHECK(f_loop((unsigned)(i & 3) + 1) == (i & 3) + 1);
        CHECK(f_head((unsigned)(i & 3) + 1) == (i & 3) + 2);
        CHECK(f_behind(0x1234566 + (i & 3)) == ((i & 3) > 1 ? 0x1234567 : 0));
    }
    COUNT(f_pop, rounds);
    COUNT(f_zero, rounds);
    COUNT(f_both, rounds);
    COUNT(f_loop, rounds);
    COUNT(f_head, rounds);
    COUNT(f_behind, rounds);
    printf("unreturned 0\n");
    return 0;
}
