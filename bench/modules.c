/* SPDX-License-Identifier: MIT
 *
 * One function of each of COUNT loaded libraries, to see whether the cost of a call depends on how many modules are
 * traced: DIR/module_0.so to DIR/module_999.so, copies of one library with the functions chosen() and other(). Measures
 * the function of the first one, called over and over, and of all of them in turn; waits until a tracer has put a jump
 * at each of them; measures again, and then other() of the first one, which nobody traces. Prints the five medians, in
 * ns a call. Run by bench/modules.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MODULES 1000
#define ROUNDS 21
#define CALLS 200000
#define PATIENCE 60 /* seconds until the jumps are there */

typedef int function(int);

static function *table[MODULES];
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

/* Median of the cost of a call, of the first count functions of a table in turn. */
static double measure(function *const *functions, unsigned count)
{
    double cost[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        double start = nanoseconds();
        for (unsigned i = 0, next = 0; i < CALLS; i++) {
            sink = functions[next](sink);
            next = next + 1 < count ? next + 1 : 0;
        }
        cost[round] = (nanoseconds() - start) / CALLS;
    }
    qsort(cost, ROUNDS, sizeof *cost, by_value);
    return cost[ROUNDS / 2];
}

static void *find(const char *folder, unsigned number, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/module_%u.so", folder, number);
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = module ? dlsym(module, name) : NULL;
    if (symbol)
        return symbol;
    fprintf(stderr, "modules: %s\n", dlerror());
    exit(1);
}

/* Waits for the first byte of a jmp rel32, the last one that is written of a site. */
static int is_patched(unsigned count)
{
    for (unsigned i = 0, tries = 0; i < count; i++)
        while (*(volatile const uint8_t *)(uintptr_t)table[i] != 0xe9) {
            if (++tries > PATIENCE * 1000)
                return 0;
            usleep(1000);
        }
    return 1;
}

int main(int argc, char **argv)
{
    unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 0;
    if (count < 1 || count > MODULES)
        return 2;
    for (unsigned i = 0; i < count; i++)
        table[i] = (function *)(uintptr_t)find(argv[1], i, "chosen");
    function *other = (function *)(uintptr_t)find(argv[1], 0, "other");
    printf("%.2f %.2f ", measure(table, 1), measure(table, count));
    fflush(stdout);
    if (!is_patched(count))
        return 1;
    printf("%.2f %.2f %.2f\n", measure(table, 1), measure(table, count), measure(&other, 1));
    return 0;
}
