/* SPDX-License-Identifier: MIT
 *
 * A call through a traced function keeps every general register, every flag, the stack pointer and all vector
 * registers (their upper halves too), whatever the flags are, the direction flag included; under signals and in three
 * threads.
 */
/* build: tests/live/asm/registers.S */
#include "traced.h"
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

struct state {
    uint64_t general[15], flags, rsp;
    unsigned char vectors[16][32];
};

void call_with_state(void (*function)(void), const struct state *in, struct state *out);
void call_with_state_wide(void (*function)(void), const struct state *in, struct state *out);

enum { CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, DF = 0x400, OF = 0x800, SHOWN = 0xcd5 };
enum { THREADS = 3, ROUNDS = 20 };

#define ROW(name, and, or, xor, more) void name(void);
#include "registers.inc"
#undef ROW

static const struct {
    void (*function)(void);
    const char *name;
    uint64_t and_bits, or_bits, xor_bits;
    unsigned long more;
} functions[] = {
#define ROW(name, and, or, xor, more) {name, #name, and, or, xor, more},
#include "registers.inc"
};

static void (*call)(void (*)(void), const struct state *, struct state *) = call_with_state;
static size_t vector_bytes = 16;
static int stop;

static TRACED void on_signal(int number)
{
    (void)number;
}

static uint64_t random_next(uint64_t *seed)
{
    return *seed = *seed * 6364136223846793005u + 1442695040888963407u;
}

static void fill(struct state *in, uint64_t seed, unsigned pattern)
{
    static const uint64_t flags[] = {CF, PF, AF, ZF, SF, DF, OF};
    for (int i = 0; i < 15; i++)
        in->general[i] = random_next(&seed);
    for (int i = 0; i < 16 * 32; i++)
        ((unsigned char *)in->vectors)[i] = (unsigned char)(random_next(&seed) >> 56);
    in->flags = 2 | 0x200;
    for (int i = 0; i < 7; i++)
        if (pattern >> i & 1)
            in->flags |= flags[i];
}

static void compare(const struct state *in, const struct state *out, size_t which)
{
    uint64_t wanted =
        ((in->flags & SHOWN & functions[which].and_bits) | functions[which].or_bits) ^ functions[which].xor_bits;
    const char *bad = NULL;
    if (memcmp(in->general, out->general, sizeof in->general) != 0)
        bad = "general registers";
    if ((out->flags & SHOWN) != wanted)
        bad = "flags";
    if (out->rsp != 0)
        bad = "the stack pointer";
    for (int i = 0; i < 16; i++)
        if (memcmp(in->vectors[i], out->vectors[i], vector_bytes) != 0)
            bad = "vector registers";
    if (bad) {
        fprintf(stderr, "%s changed %s (flags %#lx, wanted %#lx)\n", functions[which].name, bad,
                (unsigned long)(out->flags & SHOWN), (unsigned long)wanted);
        exit(99);
    }
}

static void *thread(void *seed)
{
    struct state in, out;
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned pattern = 0; pattern < 128; pattern++) {
            /* All flags first: a thread's first call goes another way, and zeroes may come about by chance. */
            fill(&in, (uint64_t)(uintptr_t)seed + round * 128 + pattern, 127 - pattern);
            for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
                memset(&out, 0, sizeof out);
                call(functions[i].function, &in, &out);
                compare(&in, &out, i);
            }
        }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    return NULL;
}

/* r_ret_too, to which the conditional tail calls go, is not counted: how often depends on the patterns. */
int main(void)
{
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    pthread_t ids[THREADS];

    if (__builtin_cpu_supports("avx")) {
        call = call_with_state_wide;
        vector_bytes = 32;
    }
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&ids[i], NULL, thread, (void *)(i * 1000003)) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    setitimer(ITIMER_REAL, &never, NULL);
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        printf("count %s %lu\n", functions[i].name, THREADS * ROUNDS * 128ul * (1 + functions[i].more));
    return 0;
}
