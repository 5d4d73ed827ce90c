/* SPDX-License-Identifier: MIT
 *
 * Executes itself again and again: from main, from a thread that is not the main one, and with others inside traced
 * functions. again [N]: N more times, ends with status 7.
 */
#include "traced.h"
#include <pthread.h>
#include <unistd.h>

static char **arguments;

static TRACED unsigned long f_work(unsigned long x)
{
    return x * 5 + 1;
}

static void *busy(void *unused)
{
    (void)unused;
    for (unsigned long i = 0;; i++)
        CHECK(f_work(i) == i * 5 + 1);
    return NULL;
}

static void *f_execute(void *left_pointer)
{
    char number[24];
    snprintf(number, sizeof number, "%lu", *(unsigned long *)left_pointer - 1);
    char *next[] = {arguments[0], number, NULL};
    fflush(stdout);
    execv("/proc/self/exe", next);
    CHECK(!"reached behind exec");
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned long left = argument(argc, argv, 1, 5);
    pthread_t id;

    arguments = argv;
    for (unsigned long i = 0; i < 1000; i++)
        CHECK(f_work(i) == i * 5 + 1);
    printf("left %lu\n", left);
    if (left == 0)
        return 7;
    CHECK(pthread_create(&id, NULL, busy, NULL) == 0);
    if (left % 2)
        f_execute(&left);
    CHECK(pthread_create(&id, NULL, f_execute, &left) == 0);
    pthread_join(id, NULL);
    return 1;
}
