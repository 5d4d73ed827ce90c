/* SPDX-License-Identifier: MIT
 *
 * longjmp over frames, setjmp in a loop, siglongjmp out of a signal handler, and out of a SIGSEGV handler.
 */
#include "traced.h"
#include <setjmp.h>
#include <signal.h>
#include <unistd.h>

static sigjmp_buf point;
static volatile unsigned long down_calls, handler_calls, unreturned, touch_calls, raise_calls;

static TRACED int f_down(int frames, int value)
{
    down_calls++;
    if (frames == 0) {
        if (value & 1)
            siglongjmp(point, value);
        return value;
    }
    int result = f_down(frames - 1, value);
    KEEP(result);
    return result;
}

static TRACED void f_handler(int number)
{
    handler_calls++;
    unreturned++;
    siglongjmp(point, number);
}

static TRACED void f_raise(void)
{
    raise_calls++;
    unreturned++;
    raise(SIGUSR1);
    CHECK(!"reached behind a handler that never returns");
}

static TRACED int f_touch(volatile int *where)
{
    touch_calls++;
    unreturned++;
    return *where;
}

static void over_frames(void)
{
    for (volatile int round = 0; round < 2000; round++) {
        volatile int frames = round % 6;
        int got = sigsetjmp(point, round & 4);
        if (got == 0) {
            int value = f_down(frames, round);
            CHECK((round & 1) == 0 && value == round);
        } else {
            CHECK(got == round && (round & 1));
            unreturned += (unsigned long)frames + 1;
        }
    }
}

static void out_of_handlers(void)
{
    struct sigaction action = {.sa_handler = f_handler};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGSEGV, &action, NULL) == 0);
    for (volatile int round = 0; round < 500; round++) {
        int got = sigsetjmp(point, 1);
        if (got == 0)
            f_raise();
        CHECK(got == SIGUSR1);
        got = sigsetjmp(point, 1);
        if (got == 0)
            f_touch((volatile int *)16);
        CHECK(got == SIGSEGV);
    }
}

int main(void)
{
    over_frames();
    out_of_handlers();
    COUNT(f_down, down_calls);
    COUNT(f_handler, handler_calls);
    COUNT(f_raise, raise_calls);
    COUNT(f_touch, touch_calls);
    printf("unreturned %lu\n", unreturned);
    return 0;
}
