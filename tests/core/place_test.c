/* SPDX-License-Identifier: MIT
 *
 * Where stubs are put: within reach, not over each other, and at a distance whose bytes are as asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <core/place.h>

#define SITE ((uintptr_t)0x55d412345678)
#define STUB_BYTES 150
#define COUNT 600
#define MANY 150000

static const uint8_t traps[] = {0xcc, 0xce, 0xd4, 0x60, 0x61, 0x3f, 0x37, 0x2f, 0x27,
                                0x9a, 0x1f, 0x1e, 0x17, 0x16, 0x0e, 0xea, 0x06, 0x07};

static void distance_bytes(uintptr_t site, uintptr_t stub, uint8_t *jump)
{
    int64_t distance = (int64_t)(stub - (site + 5));
    assert_true(distance == (int32_t)distance);
    jump[0] = 0xe9;
    for (unsigned i = 0; i < 4; i++)
        jump[1 + i] = (uint8_t)(distance >> 8 * i);
}

static void inner_starts_hold_what_traps(void **state)
{
    static uintptr_t stubs[COUNT];
    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        uint8_t jump[5], starts = (uint8_t)(1 | (i & 15) << 1);
        assert_int_equal(tli_place_jump(SITE + 16 * i, starts, STUB_BYTES, &stubs[i]), TL_OK);
        distance_bytes(SITE + 16 * i, stubs[i], jump);
        for (unsigned k = 1; k < 5; k++)
            assert_true(!(starts >> k & 1) || memchr(traps, jump[k], sizeof(traps)));
        for (unsigned k = 0; k < i; k++)
            assert_true(stubs[k] + STUB_BYTES <= stubs[i] || stubs[i] + STUB_BYTES <= stubs[k]);
    }
}

/* What a large program without optimisation is made of: push, mov, and so on. All get their place, soon. */
static void so_many_of_a_kind_that_near_places_run_out(void **state)
{
    (void)state;
    for (unsigned kind = 9; kind < 12; kind++) {
        for (unsigned i = 0; i < MANY; i++) {
            uintptr_t site = SITE + ((uintptr_t)kind << 32) + 16 * i, stub;
            uint8_t jump[5], starts = (uint8_t)(1 | kind << 1);
            if (tli_place_jump(site, starts, STUB_BYTES, &stub) != TL_OK)
                fail_msg("kind %u, site %u: no place", kind, i);
            distance_bytes(site, stub, jump);
            for (unsigned k = 1; k < 5; k++)
                assert_true(!(starts >> k & 1) || memchr(traps, jump[k], sizeof(traps)));
        }
    }
}

static void a_short_jump_keeps_the_bytes_behind_it(void **state)
{
    const uint8_t text[5] = {0x5b, 0xc3, 0x48, 0x8d, 0x4a};
    (void)state;
    for (unsigned own = 1; own < 5; own++) {
        uintptr_t site = SITE + 0x10000 * own, stub;
        uint8_t jump[5], starts = own > 1 ? 3 : 1;
        assert_int_equal(tli_place_short(site, starts, text, own, STUB_BYTES, &stub), TL_OK);
        distance_bytes(site, stub, jump);
        assert_memory_equal(jump + own, text + own, 5 - own);
        assert_true(own == 1 || memchr(traps, jump[1], sizeof(traps)));
    }
}

static void a_short_jump_whose_only_place_is_taken_is_refused(void **state)
{
    const uint8_t text[5] = {0xc3, 0x31, 0xc0, 0x5b, 0x41};
    uintptr_t site = SITE + 0x100000, stub;
    (void)state;
    assert_int_equal(tli_place_short(site, 1, text, 1, STUB_BYTES, &stub), TL_OK);
    assert_int_equal(tli_place_short(site, 1, text, 1, STUB_BYTES, &stub), TL_NO_MEMORY);
    tli_place_undo(stub, STUB_BYTES);
    assert_int_equal(tli_place_short(site, 1, text, 1, STUB_BYTES, &stub), TL_OK);
}

static void below_the_first_address_is_no_place(void **state)
{
    const uint8_t text[5] = {0xc3, 0x48, 0x8b, 0x05, 0xe8}; /* 0xe8......: 400 MB below */
    uintptr_t stub;
    (void)state;
    assert_int_equal(tli_place_short(0x401000, 1, text, 1, STUB_BYTES, &stub), TL_NO_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inner_starts_hold_what_traps),
        cmocka_unit_test(so_many_of_a_kind_that_near_places_run_out),
        cmocka_unit_test(a_short_jump_keeps_the_bytes_behind_it),
        cmocka_unit_test(a_short_jump_whose_only_place_is_taken_is_refused),
        cmocka_unit_test(below_the_first_address_is_no_place),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
