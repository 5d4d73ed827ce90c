/* SPDX-License-Identifier: MIT
 *
 * A storm of forks: children and grandchildren call traced functions, check the results and say so by their exit
 * status; some forks come from a thread while others are inside traced functions. forks [CHILDREN].
 */
#include "traced.h"
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static int stop;
static unsigned long parent_calls;

static TRACED unsigned long f_mix(unsigned long x)
{
    return (x ^ (x >> 7)) * 31;
}

static TRACED unsigned long f_chain(unsigned long x, int length)
{
    while (length-- > 0)
        x = f_mix(x);
    return x;
}

static unsigned long plain_chain(unsigned long x, int length)
{
    while (length-- > 0)
        x = (x ^ (x >> 7)) * 31;
    return x;
}

/* In the child: work, one in four has a child of its own, one in eight starts a thread. */
static void *child_thread(void *unused)
{
    (void)unused;
    CHECK(f_chain(5, 300) == plain_chain(5, 300));
    return NULL;
}

static TRACED void f_child(unsigned long number)
{
    CHECK(f_chain(number, 200) == plain_chain(number, 200));
    if (number % 4 == 0) {
        int status;
        pid_t grandchild = fork();
        CHECK(grandchild >= 0);
        if (grandchild == 0)
            _exit(f_chain(number, 100) == plain_chain(number, 100) ? 9 : 1);
        CHECK(waitpid(grandchild, &status, 0) == grandchild && WIFEXITED(status) && WEXITSTATUS(status) == 9);
    }
    if (number % 8 == 0) {
        pthread_t id;
        CHECK(pthread_create(&id, NULL, child_thread, NULL) == 0 && pthread_join(id, NULL) == 0);
    }
    if (number % 2)
        exit((int)(number & 63));
    _exit((int)(number & 63));
}

static void *busy(void *unused)
{
    (void)unused;
    for (unsigned long i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
        CHECK(f_chain(i, 50) == plain_chain(i, 50));
        __atomic_fetch_add(&parent_calls, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void *forker(void *argument_pointer)
{
    unsigned long first = *(unsigned long *)argument_pointer, last = first + ((unsigned long *)argument_pointer)[1];
    for (unsigned long i = first; i < last; i++) {
        int status;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            f_child(i);
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == (int)(i & 63));
    }
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned long children = argument(argc, argv, 1, 120);
    unsigned long parts[2][2] = {{0, children / 2}, {children / 2, children - children / 2}};
    pthread_t ids[2], other;

    CHECK(pthread_create(&other, NULL, busy, NULL) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&ids[i], NULL, forker, parts[i]) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    pthread_join(other, NULL);
    CHECK(parent_calls > 0);
    printf("children %lu\n", children);
    return 0;
}
