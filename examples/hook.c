/* SPDX-License-Identifier: MIT
 *
 * A program that replaces a function of its own while threads call it, and puts it back: no thread is stopped, and each
 * call reaches one version or the other.
 *
 *     cc -Iinclude examples/hook.c build/libtrapline.a -lpthread && ./a.out
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <trapline/poke.h>
#include <trapline/self.h>

#define THREADS 2
#define ROUNDS 10000

/* A compiler that knows what a function does may call it less often, or a copy of it: it must not look inside. */
#if __has_attribute(noipa)
#define HOOKED __attribute__((noipa, patchable_function_entry(5)))
#else
#define HOOKED __attribute__((noinline, patchable_function_entry(5)))
#endif

/* Five bytes of nops at its beginning: the place. */
HOOKED int price(int amount)
{
    __asm__ volatile("");
    return amount * 3;
}

__attribute__((noinline)) int price_on_sale(int amount)
{
    return amount * 2;
}

static atomic_bool ended;
static atomic_ulong calls, on_sale, lost;

static void *customer(void *unused)
{
    (void)unused;
    while (!atomic_load(&ended)) {
        int paid = price(100);
        atomic_fetch_add(&calls, 1);
        if (paid == 200)
            atomic_fetch_add(&on_sale, 1);
        else if (paid != 300)
            atomic_fetch_add(&lost, 1);
    }
    return 0;
}

/* Behind the endbr64, if the compiler puts one. */
static uintptr_t place_in(int (*function)(int))
{
    static const unsigned char endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    uintptr_t address = (uintptr_t)function;
    return memcmp((const void *)address, endbr64, sizeof(endbr64)) == 0 ? address + sizeof(endbr64) : address;
}

static int poke(uintptr_t address, enum tl_poke_what what, int (*target)(int))
{
    struct tl_poke poke = {.address = address, .target = (uintptr_t)target, .what = (uint8_t)what, .size = 5};
    memcpy(poke.expected, (const void *)address, 5); /* nobody else pokes here */
    enum tl_status status = tl_poke(&poke, 1, NULL);
    if (status != TL_OK)
        fprintf(stderr, "the poke is refused: status %d\n", status);
    return status == TL_OK;
}

int main(void)
{
    pthread_t threads[THREADS];
    uintptr_t place = place_in(price);
    if (tl_self_start() != TL_OK || tl_poke_join_nops(place) != TL_OK) {
        fprintf(stderr, "not possible here\n");
        return 1;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, customer, NULL);
    int good = 1;
    for (int round = 0; round < ROUNDS && good; round++)
        good =
            poke(place, TL_POKE_JMP, price_on_sale) && price(1) == 2 && poke(place, TL_POKE_NOP, NULL) && price(1) == 3;
    atomic_store(&ended, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("%lu calls, %lu on sale, %lu lost\n", atomic_load(&calls), atomic_load(&on_sale), atomic_load(&lost));
    return !good || atomic_load(&lost) != 0 || atomic_load(&on_sale) == 0;
}
