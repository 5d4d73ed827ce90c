/* SPDX-License-Identifier: MIT
 *
 * Calls every function of asm/forms.S from three threads and checks what it returns: forms [ROUNDS].
 */
/* build: tests/live/asm/forms.S */
#include "traced.h"
#include <pthread.h>

enum { THREADS = 3 };
static unsigned long rounds;

#define FORM(name, multiply, add, more) unsigned long name(unsigned long x);
#define OTHER(name) void name(unsigned long x);
#include "forms.inc"
#undef FORM
#undef OTHER

static const struct {
    unsigned long (*function)(unsigned long);
    const char *name;
    unsigned long multiply, add, more;
} forms[] = {
#define FORM(name, multiply, add, more) {name, #name, multiply, add, more},
#define OTHER(name)
#include "forms.inc"
#undef FORM
#undef OTHER
};

static void *thread(void *unused)
{
    (void)unused;
    for (unsigned long round = 0; round < rounds; round++) {
        unsigned long x = round % 23; /* some forms loop x times */
        for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
            unsigned long got = forms[i].function(x), wanted = x * forms[i].multiply + forms[i].add;
            if (got != wanted) {
                fprintf(stderr, "%s(%lu) returned %lu, wanted %lu\n", forms[i].name, x, got, wanted);
                exit(99);
            }
        }
#define FORM(name, multiply, add, more)
#define OTHER(name) name(x);
#include "forms.inc"
#undef OTHER
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t ids[THREADS];
    rounds = argument(argc, argv, 1, 1000);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&ids[i], NULL, thread, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        printf("count %s %lu\n", forms[i].name, THREADS * rounds * (1 + forms[i].more));
#define OTHER(name) COUNT(name, THREADS *rounds);
#include "forms.inc"
    printf("count f_return_address %lu\ncount f_ret_imm %lu\ncount f_ret_imm_tiny %lu\n", THREADS * rounds,
           THREADS * rounds, THREADS * rounds);
    return 0;
}
