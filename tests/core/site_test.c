/* SPDX-License-Identifier: MIT
 *
 * The site table: what a trap finds in it, with sites that stand, that are gone, and that have taken each other's
 * place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <core/poke.h>
#include <core/trap.h>
#include <port/sim/sim.h>
#include <regs.h>

#define STUB ((uintptr_t)0x7000000)
#define FIRST (TL_SIM_TEXT + 0x100)

static struct tli_site *make(uintptr_t address, uint8_t size, uint8_t starts, enum tli_site_state state)
{
    static struct tli_site pool[64]; /* sites live for ever */
    static unsigned taken;
    assert_true(taken < sizeof(pool) / sizeof(pool[0]));
    struct tli_site *site = &pool[taken++];
    site->address = address;
    site->size = size;
    site->starts = starts;
    site->stub = STUB + 0x100 * (address - TL_SIM_TEXT);
    for (unsigned i = 0; i < TLI_SITE_BYTES; i++)
        site->label[i] = (uint16_t)(16 + i);
    atomic_store(&site->state, (uint8_t)state);
    return site;
}

static struct tli_site *publish(uintptr_t address, uint8_t size, uint8_t starts, enum tli_site_state state)
{
    struct tli_site *site = make(address, size, starts, state);
    assert_int_equal(tli_site_publish(&site, 1), TL_OK);
    return site;
}

static uintptr_t trap(uintptr_t address)
{
    struct tl_regs regs = {.ip = address + 1}, *where = &regs;
    return tli_trap(&where, address) ? (uintptr_t)where->ip : 0;
}

static void text(uintptr_t address, uint8_t byte, size_t size)
{
    uint8_t bytes[64];
    memset(bytes, byte, sizeof(bytes));
    tl_sim_text_set(address, bytes, size);
}

static void a_trap_at_a_start_goes_to_its_copy(void **context)
{
    (void)context;
    uintptr_t at = FIRST;
    const struct tli_site *site = publish(at, 5, 0x0b, TLI_SITE_STANDING);
    text(at - 8, 0xcc, 32);
    assert_int_equal(trap(at), site->stub);
    assert_int_equal(trap(at + 1), site->stub + 17);
    assert_int_equal(trap(at + 3), site->stub + 19);
    assert_int_equal(trap(at + 2), 0);
    assert_int_equal(trap(at + 4), 0);
    assert_int_equal(trap(at + 5), 0);
    assert_int_equal(trap(at - 1), 0);
}

/* The one that was gone begins below the one that stands now: it is still known. */
static void a_late_trap_below_the_next_site_is_known(void **context)
{
    (void)context;
    uintptr_t at = FIRST + 0x100;
    text(at - 8, 0x90, 32);
    publish(at, 5, 0x1f, TLI_SITE_GONE);
    const struct tli_site *next = publish(at + 3, 5, 0x03, TLI_SITE_STANDING);
    assert_int_equal(trap(at), at);
    assert_int_equal(trap(at + 1), at + 1);
    assert_int_equal(trap(at + 2), at + 2);
    assert_int_equal(trap(at + 3), next->stub);
    assert_int_equal(trap(at + 4), next->stub + 17);
}

static void a_late_trap_within_and_above_the_next_site_is_known(void **context)
{
    (void)context;
    uintptr_t at = FIRST + 0x200;
    text(at - 8, 0x90, 32);
    publish(at + 3, 5, 0x13, TLI_SITE_GONE);
    const struct tli_site *next = publish(at, 5, 0x01, TLI_SITE_STANDING);
    assert_int_equal(trap(at), next->stub);
    assert_int_equal(trap(at + 3), at + 3);
    assert_int_equal(trap(at + 4), at + 4);
    assert_int_equal(trap(at + 7), at + 7);
    assert_int_equal(trap(at + 1), 0);
}

static void tombstones_at_every_address_are_all_known(void **context)
{
    (void)context;
    uintptr_t at = FIRST + 0x300;
    text(at - 8, 0x90, 48);
    for (unsigned i = 0; i < 16; i++)
        publish(at + (i * 7) % 16, 5, 0x01, TLI_SITE_GONE);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(trap(at + i), at + i);
    assert_false(tli_site_overlapping(at, 16));
    const struct tli_site *next = publish(at + 6, 5, 0x11, TLI_SITE_STANDING);
    assert_true(tli_site_overlapping(at + 10, 1));
    assert_false(tli_site_overlapping(at + 11, 5));
    assert_false(tli_site_overlapping(at + 1, 5));
    assert_int_equal(trap(at + 6), next->stub);
    assert_int_equal(trap(at + 10), next->stub + 20);
    assert_int_equal(trap(at + 5), at + 5);
    assert_int_equal(trap(at + 9), at + 9);
}

/* One record an address: the new one keeps the old one's starts. */
static void a_site_in_a_tombstones_place_keeps_its_starts(void **context)
{
    (void)context;
    uintptr_t at = FIRST + 0x400;
    text(at - 8, 0x90, 32);
    publish(at, 5, 0x05, TLI_SITE_GONE);
    size_t count = tli_site_table()->count;
    const struct tli_site *next = publish(at, 1, 0x01, TLI_SITE_STANDING);
    assert_int_equal(tli_site_table()->count, count);
    assert_ptr_equal(tli_site_any(at), next);
    assert_int_equal(trap(at), next->stub);
    assert_int_equal(trap(at + 2), at + 2);
    text(at + 2, 0xcc, 1); /* somebody else's int3 */
    assert_int_equal(trap(at + 2), 0);
}

static void a_site_over_a_standing_one_is_refused(void **context)
{
    (void)context;
    uintptr_t at = FIRST + 0x500;
    publish(at, 5, 0x01, TLI_SITE_STANDING);
    const struct tli_table *before = tli_site_table();
    for (int distance = -4; distance <= 4; distance++) {
        struct tli_site *site = make(at + (uintptr_t)(intptr_t)distance, 5, 0x01, TLI_SITE_GONE);
        assert_int_equal(tli_site_publish(&site, 1), TL_OVERLAP);
    }
    struct tli_site *two[2] = {make(at + 0x20, 5, 1, TLI_SITE_GONE), make(at + 0x24, 5, 1, TLI_SITE_GONE)};
    assert_int_equal(tli_site_publish(two, 2), TL_OVERLAP);
    assert_ptr_equal(tli_site_table(), before);
}

/* A start inside a jmp: only an int3 is put in its place, and only an int3 is replaced. */
static uintptr_t watched;
static unsigned changes, unsafe;

static void watch(uintptr_t address, uint8_t before, uint8_t after)
{
    if (address - watched >= TLI_SITE_BYTES || !(0x0b >> (address - watched) & 1))
        return;
    changes++;
    unsafe += before != 0xcc && after != 0xcc;
}

static void starts_change_only_from_an_int3_or_to_one(void **context)
{
    (void)context;
    static const uint8_t old_bytes[] = {0x50, 0x51, 0x11, 0x52, 0x12}, new_bytes[] = {0xe9, 0x06, 0x22, 0x06, 0x24};
    uintptr_t at = FIRST + 0x600;
    size_t differs;
    watched = at;
    tl_sim_text_set(at, old_bytes, sizeof(old_bytes));
    struct tli_site *site = make(at, 5, 0x0b, TLI_SITE_STANDING);
    memcpy(site->old_bytes, old_bytes, sizeof(old_bytes));
    memcpy(site->new_bytes, new_bytes, sizeof(new_bytes));
    assert_int_equal(tli_site_publish(&site, 1), TL_OK);
    tl_sim_text_watch(watch);
    assert_int_equal(tli_poke(&site, 1, TLI_POKE_ARM, &differs), TL_OK);
    assert_int_equal(changes, 6);
    atomic_store(&site->state, TLI_SITE_LEAVING);
    assert_int_equal(tli_poke(&site, 1, TLI_POKE_DISARM, &differs), TL_OK);
    tl_sim_text_watch(0);
    assert_int_equal(changes, 12);
    assert_int_equal(unsafe, 0);
}

/* What lies between two sites may be written by others at any time. */
static void drop_a_byte_between(uintptr_t address, uint8_t before, uint8_t after)
{
    uint8_t byte = 0x77;
    (void)before, (void)after;
    if (address == watched)
        tl_sim_text_set(watched + 7, &byte, 1);
}

static void nothing_outside_the_sites_is_written(void **context)
{
    (void)context;
    uintptr_t at = FIRST + 0x700;
    size_t differs;
    uint8_t found;
    struct tli_site *sites[2] = {make(at, 5, 1, TLI_SITE_STANDING), make(at + 8, 5, 1, TLI_SITE_STANDING)};
    text(at, 0x90, 16);
    watched = at;
    for (unsigned i = 0; i < 2; i++) {
        memset(sites[i]->old_bytes, 0x90, 5);
        memset(sites[i]->new_bytes, 0x11, 5);
    }
    assert_int_equal(tli_site_publish(sites, 2), TL_OK);
    tl_sim_text_watch(drop_a_byte_between);
    assert_int_equal(tli_poke(sites, 2, TLI_POKE_ARM, &differs), TL_OK);
    tl_sim_text_watch(0);
    tl_sim_text_get(at + 7, &found, 1);
    assert_int_equal(found, 0x77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trap_at_a_start_goes_to_its_copy),
        cmocka_unit_test(a_late_trap_below_the_next_site_is_known),
        cmocka_unit_test(a_late_trap_within_and_above_the_next_site_is_known),
        cmocka_unit_test(tombstones_at_every_address_are_all_known),
        cmocka_unit_test(a_site_in_a_tombstones_place_keeps_its_starts),
        cmocka_unit_test(a_site_over_a_standing_one_is_refused),
        cmocka_unit_test(starts_change_only_from_an_int3_or_to_one),
        cmocka_unit_test(nothing_outside_the_sites_is_written),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
