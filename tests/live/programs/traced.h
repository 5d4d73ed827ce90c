/* SPDX-License-Identifier: MIT
 *
 * What the programs under test share: functions that stay functions, counts said in one form, checks.
 * No test logic. Included by every program of this folder that has a libc.
 *
 * A program prints only what is the same in every run, and ends with 0 if all its own checks held.
 *     count NAME N         it has called NAME N times
 *     unreturned N         of its calls to f_* functions N were never left by a return
 */
#ifndef TRACED_H
#define TRACED_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

/* A call that no compiler removes, clones, inlines or sees through. */
#ifdef __clang__
#define TRACED __attribute__((noinline))
#else
#define TRACED __attribute__((noinline, noclone, noipa))
#endif

#define KEEP(value) __asm__ volatile("" : "+r"(value))

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: does not hold: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno);           \
            exit(99);                                                                                                  \
        }                                                                                                              \
    } while (0)

/* The name under which a function is reported: its own, or without symbols (BY_ADDRESS) module+0xOFFSET. */
#ifdef BY_ADDRESS
extern char __executable_start[];
#define COUNT(function, calls)                                                                                         \
    printf("count %s+0x%lx %lu\n", program_invocation_short_name,                                                      \
           (unsigned long)((char *)(uintptr_t)(function)-__executable_start), (unsigned long)(calls))
#else
#define COUNT(function, calls) printf("count %s %lu\n", #function, (unsigned long)(calls))
#endif

static inline unsigned long argument(int argc, char **argv, int index, unsigned long otherwise)
{
    return argc > index ? strtoul(argv[index], NULL, 0) : otherwise;
}

static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Where ptrace is restricted to parents (Yama), a target says that anyone may. Elsewhere it does nothing. */
static inline void let_anyone_trace(void)
{
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
}

#endif
