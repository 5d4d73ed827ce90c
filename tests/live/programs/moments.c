/* SPDX-License-Identifier: MIT
 *
 * Threads that sleep for half a millisecond and end, eight at a time, for ever; the first thread makes them and waits
 * where a stop would be noticed, so that whoever looks for a thread to stop finds one that is about to end.
 * Standard input: p prints "rounds N"; its end ends it: "done".
 */
#include "traced.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 8, SLEEP_NS = 500000 };

static unsigned never;

static TRACED void *f_moment(void *argument)
{
    const struct timespec pause = {0, SLEEP_NS};
    syscall(SYS_futex, &never, FUTEX_WAIT_PRIVATE, 0, &pause, NULL, 0);
    return argument;
}

int main(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    pthread_attr_t detached;
    pthread_t thread;
    char line[16] = "";
    unsigned long rounds = 0;
    int set = epoll_create1(0);
    let_anyone_trace();
    CHECK(set >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, 0, &event) == 0);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    puts("ready");
    fflush(stdout);
    for (;; rounds++) {
        for (int i = 0; i < AT_ONCE; i++)
            CHECK(pthread_create(&thread, &detached, f_moment, NULL) == 0);
        if (epoll_wait(set, &event, 1, 1) <= 0)
            continue;
        if (read(0, line, sizeof line) <= 0)
            break;
        printf("rounds %lu\n", rounds);
        fflush(stdout);
    }
    puts("done");
    return 0;
}
