/* SPDX-License-Identifier: MIT
 *
 * What a traced call costs: three loops, interleaved, in one process that runs under `trapline record --flight
 * -f traced`. Prints one line of medians in ns a call and their ratios. Run by bench/run.
 *
 *     untraced  a call of a function that is not selected
 *     traced    a call of a function of the same bytes that is: entry and exit recorded; also one that was compiled to
 *               be patched
 *     floor     the untraced call, with two rdtsc and two 8-byte stores written by hand
 *
 * The functions' asm texts differ by a comment: compilers fold functions of the same text into one.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 41
#define CALLS 200000

__attribute__((noinline)) int untraced(int x)
{
    __asm__ volatile("# untraced" : "+r"(x));
    return x + 1;
}

__attribute__((noinline)) int traced(int x)
{
    __asm__ volatile("# traced" : "+r"(x));
    return x + 2; /* not the same, or the compiler makes one of two */
}

__attribute__((noinline)) static int prologue(int x)
{
    __asm__ volatile("# prologue" : "+r"(x) : : "rbx", "rbp", "r12");
    return x + 3;
}

__attribute__((noinline)) int traced_prologue(int x)
{
    __asm__ volatile("# traced_prologue" : "+r"(x) : : "rbx", "rbp", "r12");
    return x + 4;
}

/* With room left by the compiler: five one-byte nops, or one of five bytes. */
__attribute__((noinline, patchable_function_entry(5))) int traced_sled(int x)
{
    __asm__ volatile("# traced_sled" : "+r"(x));
    return x + 5;
}

static uint64_t slots[4096];

static inline uint64_t stamp(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return low | (uint64_t)high << 32;
}

static inline void store(uint64_t i, uint64_t value)
{
    *(volatile uint64_t *)&slots[i & 4095] = value;
}

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

enum { UNTRACED, TRACED, FLOOR, UNTRACED_PROLOGUE, TRACED_PROLOGUE, TRACED_SLED, KINDS };

static double run(int kind)
{
    int x = 0;
    double start = now_ns();
    for (uint64_t i = 0; i < CALLS; i++) {
        switch (kind) {
        case UNTRACED:
            x = untraced(x);
            break;
        case TRACED:
            x = traced(x);
            break;
        case UNTRACED_PROLOGUE:
            x = prologue(x);
            break;
        case TRACED_PROLOGUE:
            x = traced_prologue(x);
            break;
        case TRACED_SLED:
            x = traced_sled(x);
            break;
        default:
            store(2 * i, stamp());
            x = untraced(x);
            store(2 * i + 1, stamp());
        }
    }
    return (now_ns() - start) / CALLS;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    static double ns[KINDS][ROUNDS];
    for (int kind = 0; kind < KINDS; kind++)
        run(kind);
    for (int round = 0; round < ROUNDS; round++)
        for (int kind = 0; kind < KINDS; kind++)
            ns[kind][round] = run(kind);
    for (int kind = 0; kind < KINDS; kind++)
        qsort(ns[kind], ROUNDS, sizeof(double), by_value);
    const int m = ROUNDS / 2;
    double floor = ns[FLOOR][m];
    printf("untraced %.2f  floor %.2f  traced %.2f ns; traced/floor %.3f (quartiles of traced %.2f %.2f)\n",
           ns[UNTRACED][m], floor, ns[TRACED][m], ns[TRACED][m] / floor, ns[TRACED][ROUNDS / 4],
           ns[TRACED][3 * ROUNDS / 4]);
    printf("with a prologue of pushes: untraced %.2f  traced %.2f ns; (traced - untraced)/(floor - bare) %.3f\n",
           ns[UNTRACED_PROLOGUE][m], ns[TRACED_PROLOGUE][m],
           (ns[TRACED_PROLOGUE][m] - ns[UNTRACED_PROLOGUE][m]) / (floor - ns[UNTRACED][m]));
    printf("with a sled: traced %.2f ns; traced/floor %.3f\n", ns[TRACED_SLED][m], ns[TRACED_SLED][m] / floor);
    return 0;
}
