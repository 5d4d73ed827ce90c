/* SPDX-License-Identifier: MIT
 *
 * The vDSO stays as it is and is right: clocks from it lie between those of the system calls around it.
 */
#include "traced.h"
#include <sched.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static uint64_t vdso_sum(void)
{
    const unsigned char *vdso = (const unsigned char *)getauxval(AT_SYSINFO_EHDR);
    uint64_t sum = 14695981039346656037u;
    for (int i = 0; vdso && i < 4096; i++)
        sum = (sum ^ vdso[i]) * 1099511628211u;
    return sum;
}

static uint64_t by_system_call(clockid_t which)
{
    struct timespec t;
    CHECK(syscall(SYS_clock_gettime, which, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static TRACED uint64_t f_clock(clockid_t which)
{
    struct timespec t;
    CHECK(clock_gettime(which, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static TRACED uint64_t f_day(void)
{
    struct timeval t;
    CHECK(gettimeofday(&t, NULL) == 0);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_usec;
}

int main(void)
{
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};
    uint64_t sum = vdso_sum();
    for (int i = 0; i < 3000; i++) {
        clockid_t which = clocks[i % 3];
        uint64_t before = by_system_call(which), mine = f_clock(which), after = by_system_call(which);
        CHECK(before <= mine && mine <= after);
        uint64_t day_before = by_system_call(CLOCK_REALTIME) / 1000, day = f_day();
        CHECK(day_before <= day && day <= by_system_call(CLOCK_REALTIME) / 1000 + 1);
        CHECK(time(NULL) >= (time_t)(day_before / 1000000 - 1));
        CHECK(sched_getcpu() >= 0);
    }
    CHECK(vdso_sum() == sum);
    COUNT(f_clock, 3000);
    COUNT(f_day, 3000);
    printf("unreturned 0\n");
    return 0;
}
