/* SPDX-License-Identifier: MIT
 *
 * 100,000 functions, many_0 to many_99999, to see whether the cost of a call depends on how many of them are traced:
 * the same one called over and over, and COUNT of them in turn. Prints the two medians, in ns a call. Run by
 * bench/curve, alone and under `trapline record --flight -f many_?...`.
 *     many COUNT gaps SECONDS     calls COUNT of them in turn for so long, and prints how long the longest call, with
 *                                 the loop around it, took in each half of that, in us. Run by bench/delay, which
 * attaches in the second half.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FUNCTIONS 100000
#define ROUNDS 21
#define CALLS 200000

/* Each has room for the jump of an entry and for that of an exit, with a stub anywhere. */
__asm__(".pushsection .text\n"
        "        .altmacro\n"
        "        .macro many n\n"
        "        .p2align 4\n"
        "        .globl many_\\n\n"
        "        .type many_\\n, @function\n"
        "many_\\n: mov $\\n,%eax\n"
        "        lea 0x12345(%rax,%rdi),%eax\n"
        "        ret\n"
        "        .size many_\\n, . - many_\\n\n"
        "        .pushsection .data.rel.ro, \"aw\"\n"
        "        .quad many_\\n\n"
        "        .popsection\n"
        "        .endm\n"
        "        .pushsection .data.rel.ro, \"aw\"\n"
        "        .p2align 3\n"
        "table:\n"
        "        .popsection\n"
        "        .set i, 0\n"
        "        .rept 100000\n"
        "        many %i\n"
        "        .set i, i + 1\n"
        "        .endr\n"
        "        .noaltmacro\n"
        ".popsection\n");

extern int (*const table[FUNCTIONS])(int);
static volatile int sink;

static double nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Medians of the cost of a call, of count functions in turn. */
static double measure(unsigned count)
{
    double cost[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        double start = nanoseconds();
        for (unsigned i = 0, next = 0; i < CALLS; i++) {
            sink = table[next](sink);
            next = next + 1 < count ? next + 1 : 0;
        }
        cost[round] = (nanoseconds() - start) / CALLS;
    }
    qsort(cost, ROUNDS, sizeof *cost, by_value);
    return cost[ROUNDS / 2];
}

/* The longest time between two calls' ends until a moment, in ns. */
static double longest_gap(unsigned count, double until)
{
    double longest = 0, before = nanoseconds();
    for (unsigned next = 0; before < until;) {
        sink = table[next](sink);
        next = next + 1 < count ? next + 1 : 0;
        double now = nanoseconds();
        longest = now - before > longest ? now - before : longest;
        before = now;
    }
    return longest;
}

static void gaps(unsigned count, double seconds)
{
    double start = nanoseconds();
    (void)longest_gap(count, start + 0.1e9); /* all is in memory then */
    double quiet = longest_gap(count, start + seconds * 0.5e9);
    double watched = longest_gap(count, start + seconds * 1e9);
    printf("%.0f %.0f\n", quiet / 1e3, watched / 1e3);
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 1;
    if (count < 1 || count > FUNCTIONS)
        return 2;
    if (argc > 3) {
        gaps(count, strtod(argv[3], NULL));
        return 0;
    }
    double one = measure(1);
    printf("%.2f %.2f\n", one, measure(count));
    return 0;
}
