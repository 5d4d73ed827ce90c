/* SPDX-License-Identifier: MIT
 *
 * The program that bench/peers lets every tracer trace: calls a trivial function as often as it is told to and prints
 * the nanoseconds of a call. The same source is built once for each way of instrumenting it.
 *
 *     peer traced|floor CALLS THREADS
 *
 * floor: the call with two rdtsc and two 8-byte stores written by hand, the least that entry and exit can cost.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS_MAX 64
#define WARM_UP 200
#define HIDDEN __attribute__((no_instrument_function))

static long calls;
static int floor_wanted;
static double ns[THREADS_MAX];

/* Long enough for tools that patch five bytes and take no function that is shorter. */
__attribute__((noinline)) int traced(int x)
{
    __asm__ volatile("" : "+r"(x));
    return x + 0x12345;
}

HIDDEN static inline uint64_t stamp(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return low | (uint64_t)high << 32;
}

HIDDEN static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

HIDDEN static void loop(long count)
{
    static __thread volatile uint64_t slots[1024];
    int x = 0;
    if (!floor_wanted) {
        for (long i = 0; i < count; i++)
            x = traced(x);
        return;
    }
    for (long i = 0; i < count; i++) {
        slots[2 * i & 1023] = stamp();
        x = traced(x);
        slots[(2 * i + 1) & 1023] = stamp();
    }
}

HIDDEN static void *thread(void *index)
{
    loop(calls < WARM_UP ? calls : WARM_UP);
    double start = now_ns();
    loop(calls);
    ns[(intptr_t)index] = (now_ns() - start) / (double)calls;
    return NULL;
}

HIDDEN int main(int argc, char **argv)
{
    pthread_t id[THREADS_MAX];
    if (argc != 4)
        return 2;
    floor_wanted = strcmp(argv[1], "floor") == 0;
    calls = strtol(argv[2], NULL, 10);
    long threads = strtol(argv[3], NULL, 10);
    if (calls < 1 || threads < 1 || threads > THREADS_MAX)
        return 2;
    for (intptr_t i = 1; i < threads; i++)
        if (pthread_create(&id[i], NULL, thread, (void *)i))
            return 1;
    thread(NULL);
    double sum = ns[0];
    for (long i = 1; i < threads; i++) {
        pthread_join(id[i], NULL);
        sum += ns[i];
    }
    printf("peer: %.3f ns a call\n", sum / (double)threads);
    return 0;
}
