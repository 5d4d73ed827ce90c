/* SPDX-License-Identifier: MIT
 *
 * What planning costs: symbols, disassembly and sites of all functions of each file given, as recording does it
 * before it touches a process. Prints a line a file: functions, sites, wall time and processor time (medians of
 * ROUNDS), and the most memory that was in use, of all files so far. Run by bench/run.
 */
#include <plan/plan.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define ROUNDS 7

static double milliseconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, by_value);
    return values[ROUNDS / 2];
}

static bool measure(const char *path)
{
    double wall_ms[ROUNDS], processor_ms[ROUNDS];
    size_t functions = 0, sites = 0;
    char error[512];
    for (int i = 0; i < ROUNDS; i++) {
        struct tl_filter all = {0};
        double wall = milliseconds(CLOCK_MONOTONIC), processor = milliseconds(CLOCK_PROCESS_CPUTIME_ID);
        struct tl_module *module = tl_module_open(path, NULL, error, sizeof error);
        if (!module || !tl_module_select(module, &all) || !tl_module_plan(module)) {
            fprintf(stderr, "plan: %s\n", module ? path : error);
            return false;
        }
        wall_ms[i] = milliseconds(CLOCK_MONOTONIC) - wall;
        processor_ms[i] = milliseconds(CLOCK_PROCESS_CPUTIME_ID) - processor;
        functions = module->function_count;
        sites = module->site_count;
        tl_module_close(module);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double wall = median(wall_ms), processor = median(processor_ms);
    printf("%s: %zu functions, %zu sites, %.0f ms (%.0f to %.0f), %.0f ms of processor time, %ld MB at most\n", path,
           functions, sites, wall, wall_ms[0], wall_ms[ROUNDS - 1], processor, usage.ru_maxrss / 1024);
    return true;
}

int main(int argc, char **argv)
{
    bool ok = argc > 1;
    for (int i = 1; i < argc; i++)
        ok &= measure(argv[i]);
    return ok ? 0 : 1;
}
