/* SPDX-License-Identifier: MIT
 *
 * Static keys and static calls in this very process: both forms, both beginnings, counted, in batches, under threads
 * that read them.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <core/poke.h>
#include <trapline/key.h>
#include <trapline/self.h>

TL_KEY_OFF(starts_off);
TL_KEY_ON(starts_on);
TL_KEY_OFF(also_off);
static TL_KEY_OFF(counted);

__attribute__((noinline)) static unsigned all_forms(void)
{
    unsigned seen = 0;
    if (tl_key_unlikely(starts_off))
        seen |= 1;
    if (tl_key_likely(starts_off))
        seen |= 2;
    if (tl_key_unlikely(starts_on))
        seen |= 4;
    if (tl_key_likely(starts_on))
        seen |= 8;
    return seen;
}

static int plain(int x)
{
    return x + 1;
}

static int other(int x)
{
    return x + 2;
}

TL_STATIC_CALL(selected, plain);

static void every_form_reads_its_key(void **context)
{
    (void)context;
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(all_forms(), 0xc);
        assert_int_equal(tl_key_set(&starts_off.key, true), TL_OK);
        assert_int_equal(all_forms(), 0xf);
        assert_int_equal(tl_key_set(&starts_on.key, false), TL_OK);
        assert_int_equal(all_forms(), 0x3);
        assert_int_equal(tl_key_set(&starts_off.key, false), TL_OK);
        assert_int_equal(all_forms(), 0x0);
        assert_int_equal(tl_key_set(&starts_on.key, true), TL_OK);
    }
}

static void several_keys_are_one_batch(void **context)
{
    (void)context;
    struct tl_key *keys[] = {&starts_off.key, &also_off.key, &starts_on.key};
    uint64_t before = tli_poke_count.serialisations;
    assert_int_equal(tl_keys_set(keys, 3, true), TL_OK);
    assert_int_equal(tli_poke_count.serialisations - before, 3);
    assert_int_equal(all_forms(), 0xf);
    assert_true(tl_key_unlikely(also_off));
    assert_int_equal(tl_keys_set(keys, 2, false), TL_OK);
    assert_int_equal(all_forms(), 0xc);
    before = tli_poke_count.serialisations;
    assert_int_equal(tl_keys_set(keys, 2, false), TL_OK);
    assert_int_equal(tli_poke_count.serialisations, before); /* nothing to do */
}

static void a_key_is_on_while_it_has_users(void **context)
{
    (void)context;
    assert_int_equal(tl_key_put(&counted.key), TL_BAD_ARGUMENT);
    assert_false(tl_key_unlikely(counted));
    assert_int_equal(tl_key_get(&counted.key), TL_OK);
    assert_int_equal(tl_key_get(&counted.key), TL_OK);
    assert_int_equal(tl_key_put(&counted.key), TL_OK);
    assert_true(tl_key_unlikely(counted));
    assert_int_equal(tl_key_put(&counted.key), TL_OK);
    assert_false(tl_key_unlikely(counted));
}

/* A module that comes when a key is not as its places were compiled. */
static void a_module_is_brought_up_to_date_when_it_comes(void **context)
{
    (void)context;
    struct tl_key_table again = {__start_tl_keys, __stop_tl_keys, 0};
    assert_int_equal(tl_keys_remove(&again), TL_NOT_MINE);
    also_off.key.users = 1; /* as if it had been set before */
    assert_false(tl_key_unlikely(also_off));
    assert_int_equal(tl_keys_add(&again), TL_OK);
    assert_int_equal(tl_keys_add(&again), TL_BUSY);
    assert_true(tl_key_unlikely(also_off));
    assert_int_equal(tl_keys_remove(&again), TL_OK);
    assert_int_equal(tl_key_set(&also_off.key, false), TL_OK);
    assert_false(tl_key_unlikely(also_off));
}

static void a_static_call_goes_where_it_is_set(void **context)
{
    (void)context;
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(selected(1), 2);
        assert_int_equal(tl_static_call_set(selected, other), TL_OK);
        assert_int_equal(selected(1), 3);
        assert_int_equal(tl_static_call_set(selected, NULL), TL_OK);
        assert_int_equal(selected(1), 0);
        assert_int_equal(tl_static_call_set(selected, plain), TL_OK);
    }
}

static atomic_bool ended;
static atomic_ulong reads, wrong;

static void *reader(void *unused)
{
    (void)unused;
    while (!atomic_load(&ended)) {
        int got = selected(1);
        unsigned forms = all_forms();
        if ((got != 2 && got != 3) || (forms & 0xc) != 0xc)
            atomic_fetch_add(&wrong, 1);
        atomic_fetch_add(&reads, 1);
    }
    return 0;
}

static void threads_read_one_or_the_other(void **context)
{
    (void)context;
    pthread_t threads[2];
    for (unsigned i = 0; i < 2; i++)
        pthread_create(&threads[i], 0, reader, 0);
    for (unsigned round = 0; round < 3000; round++) {
        assert_int_equal(tl_static_call_set(selected, round & 1 ? plain : other), TL_OK);
        assert_int_equal(tl_key_set(&starts_off.key, !(round & 1)), TL_OK);
    }
    atomic_store(&ended, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], 0);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_true(atomic_load(&reads) > 0);
}

static int begin(void **context)
{
    (void)context;
    return tl_self_start() == TL_OK && tl_self_start() == TL_BUSY && tl_keys_here() == TL_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_reads_its_key),
        cmocka_unit_test(several_keys_are_one_batch),
        cmocka_unit_test(a_key_is_on_while_it_has_users),
        cmocka_unit_test(a_module_is_brought_up_to_date_when_it_comes),
        cmocka_unit_test(a_static_call_goes_where_it_is_set),
        cmocka_unit_test(threads_read_one_or_the_other),
    };
    return cmocka_run_group_tests(tests, begin, 0);
}
