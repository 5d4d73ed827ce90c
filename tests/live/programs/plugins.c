/* SPDX-License-Identifier: MIT
 *
 * Loads, calls and unloads a library in a loop, in one thread or two: plugins LIBRARY [ROUNDS] [keep]. With "keep"
 * another thread has it loaded all the time; with "stay" it is loaded once and called for two seconds; with "return" it
 * is loaded for 200 ms each time, and prints how often it was called; else its text comes and goes.
 */
#include "traced.h"
#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

static const char *path;
static unsigned long rounds;

static TRACED void f_round(unsigned long round, int alone)
{
    void *library = dlopen(path, round % 2 ? RTLD_NOW : RTLD_LAZY | RTLD_LOCAL);
    if (!library)
        fprintf(stderr, "%s\n", dlerror());
    CHECK(library != NULL);
    unsigned long (*add)(unsigned long) = (unsigned long (*)(unsigned long))(uintptr_t)dlsym(library, "p_add");
    unsigned long (*sort)(unsigned long) = (unsigned long (*)(unsigned long))(uintptr_t)dlsym(library, "p_sort");
    unsigned long (*calls)(void) = (unsigned long (*)(void))(uintptr_t)dlsym(library, "p_calls");
    CHECK(add && sort && calls);
    if (alone) {
        CHECK(calls() == 1000);
        for (unsigned long i = 1; i <= 20; i++)
            CHECK(add(round) == round + 1000 + i);
        CHECK(calls() == 1020);
    }
    CHECK(sort(round) == 1);
    CHECK(dlclose(library) == 0);
    if (alone)
        CHECK(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL);
}

/* Calls it for so long: how often. */
static unsigned long stay(uint64_t ns)
{
    static uintptr_t place;
    unsigned long calls = 0;
    void *library = dlopen(path, RTLD_NOW);
    CHECK(library != NULL);
    unsigned long (*sort)(unsigned long) = (unsigned long (*)(unsigned long))(uintptr_t)dlsym(library, "p_sort");
    CHECK(sort != NULL);
    CHECK(place == 0 || place == (uintptr_t)sort); /* it comes back to where it was */
    place = (uintptr_t)sort;
    for (uint64_t end = now_ns() + ns; now_ns() < end; calls++) {
        CHECK(sort(1) == 1);
        usleep(1000);
    }
    CHECK(dlclose(library) == 0);
    return calls;
}

static void *second(void *unused)
{
    (void)unused;
    for (unsigned long i = 0; i < rounds; i++)
        f_round(i, 0);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t id;
    CHECK(argc > 1);
    path = argv[1];
    rounds = argument(argc, argv, 2, 100);
    if (argc > 3 && strcmp(argv[3], "stay") == 0) {
        CHECK(stay(2000000000u) != 0);
        printf("stayed\n");
        return 0;
    }
    if (argc > 3 && strcmp(argv[3], "return") == 0) {
        unsigned long calls = 0;
        for (unsigned long i = 0; i < rounds; i++)
            calls += stay(200000000u);
        printf("%lu calls\n", calls);
        return 0;
    }
    if (argc > 3) {
        CHECK(dlopen(path, RTLD_NOW) != NULL);
        CHECK(pthread_create(&id, NULL, second, NULL) == 0);
    }
    for (unsigned long i = 0; i < rounds; i++)
        f_round(i, argc <= 3);
    if (argc > 3)
        pthread_join(id, NULL);
    COUNT(f_round, rounds * (argc > 3 ? 2 : 1));
    printf("unreturned 0\n");
    return 0;
}
