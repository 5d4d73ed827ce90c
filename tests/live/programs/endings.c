/* SPDX-License-Identifier: MIT
 *
 * Every way for a program to end: endings HOW. Exit statuses and signals must come through a tracer as they are.
 */
#include "traced.h"
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static volatile int *volatile nowhere = (volatile int *)16;

static TRACED int f_work(int x)
{
    return x + 1;
}

static void *f_exit_thread(void *unused)
{
    for (int i = 0; i < 100; i++)
        f_work(i);
    exit(23);
    return unused;
}

static void *f_later(void *unused)
{
    usleep(20000);
    f_work(1);
    return unused;
}

static TRACED void f_at_exit(void)
{
    f_work(3);
    printf("at exit\n");
}

static TRACED int f_end(const char *how)
{
    pthread_t id;
    if (strcmp(how, "return") == 0)
        return f_work(20);
    if (strcmp(how, "exit") == 0)
        exit(22);
    if (strcmp(how, "_exit") == 0)
        _exit(255);
    if (strcmp(how, "abort") == 0)
        abort();
    if (strcmp(how, "segv") == 0)
        *nowhere = f_work(1);
    if (strcmp(how, "term") == 0)
        kill(getpid(), SIGTERM);
    if (strcmp(how, "kill") == 0)
        kill(getpid(), SIGKILL);
    if (strcmp(how, "fpe") == 0) {
        volatile int zero = 0;
        return f_work(1) / zero;
    }
    if (strcmp(how, "thread") == 0) { /* another thread ends it all while main waits for ever */
        CHECK(pthread_create(&id, NULL, f_exit_thread, NULL) == 0);
        for (;;)
            pause();
    }
    if (strcmp(how, "leader") == 0) { /* the main thread goes first */
        CHECK(pthread_create(&id, NULL, f_later, NULL) == 0);
        pthread_exit(NULL);
    }
    return 99;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "return";
    atexit(f_at_exit);
    printf("ends by %s\n", how);
    fflush(stdout);
    return f_end(how);
}
