/* SPDX-License-Identifier: MIT
 *
 * A few calls now and then: seldom. Calls f_tick every 5 ms; ends when standard input does, with "done".
 */
#include "traced.h"
#include <poll.h>
#include <unistd.h>

static TRACED unsigned long f_tick(unsigned long x)
{
    return x + 1;
}

int main(void)
{
    struct pollfd in = {.fd = 0, .events = POLLIN};
    unsigned long ticks = 0;
    let_anyone_trace();
    puts("ready");
    fflush(stdout);
    while (poll(&in, 1, 5) == 0)
        ticks = f_tick(ticks);
    CHECK(ticks > 0);
    puts("done");
    return 0;
}
