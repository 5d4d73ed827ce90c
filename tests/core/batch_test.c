/* SPDX-License-Identifier: MIT
 *
 * The public door of the poke, one thread: what it writes, what it refuses, and that a refusal changes nothing. What
 * other cores see meanwhile is in tests/sim/call_test.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <core/poke.h>
#include <core/trap.h>
#include <port/sim/sim.h>
#include <regs.h>
#include <trapline/poke.h>

#define TARGET (TL_SIM_TEXT + 0x100000)

static const uint8_t nop5[5] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
static uintptr_t next = TL_SIM_TEXT;

/* A fresh place that holds bytes, with room around. */
static uintptr_t place(const void *bytes, size_t size)
{
    uintptr_t at = next;
    uint8_t around[32];
    memset(around, 0x90, sizeof(around));
    tl_sim_text_set(at, around, sizeof(around));
    tl_sim_text_set(at + 8, bytes, size);
    next += sizeof(around);
    return at + 8;
}

static struct tl_poke from(uintptr_t address, const void *expected, uint8_t size, enum tl_poke_what what)
{
    struct tl_poke poke = {.address = address, .target = TARGET, .what = (uint8_t)what, .size = size};
    memcpy(poke.expected, expected, size);
    return poke;
}

static void assert_text(uintptr_t address, const void *expected, size_t size)
{
    uint8_t found[8];
    tl_sim_text_get(address, found, size);
    assert_memory_equal(found, expected, size);
}

static void a_nop_becomes_a_call_another_call_and_a_nop(void **context)
{
    (void)context;
    uintptr_t at = place(nop5, 5);
    uint8_t bytes[5];
    struct tl_poke poke = from(at, nop5, 5, TL_POKE_CALL);
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(tl_poke(&poke, 1, 0), TL_OK);
        assert_int_equal(tl_poke_encode(bytes, &poke), TL_OK);
        assert_int_equal(bytes[0], 0xe8);
        assert_text(at, bytes, 5);
        assert_true(tli_site_overlapping(at + 4, 1));
        memcpy(poke.expected, bytes, 5);
        poke.target = TARGET + 0x1234;
        assert_int_equal(tl_poke(&poke, 1, 0), TL_OK);
        (void)tl_poke_encode(poke.expected, &poke);
        assert_text(at, poke.expected, 5);
        poke.what = TL_POKE_NOP;
        assert_int_equal(tl_poke(&poke, 1, 0), TL_OK);
        assert_text(at, nop5, 5);
        assert_false(tli_site_overlapping(at, 5)); /* free for others */
        poke = from(at, nop5, 5, TL_POKE_CALL);
    }
}

static void short_jumps_and_breakpoints_come_and_go(void **context)
{
    (void)context;
    const uint8_t nop2[2] = {0x66, 0x90}, jmp2[2] = {0xeb, 0x10}, push[1] = {0x55}, int3[1] = {0xcc};
    uintptr_t at = place(nop2, 2);
    struct tl_poke poke = from(at, nop2, 2, TL_POKE_JMP);
    poke.target = at + 2 + 0x10;
    assert_int_equal(tl_poke(&poke, 1, 0), TL_OK);
    assert_text(at, jmp2, 2);
    poke = from(at, jmp2, 2, TL_POKE_NOP);
    assert_int_equal(tl_poke(&poke, 1, 0), TL_OK);
    assert_text(at, nop2, 2);

    at = place(push, 1);
    poke = from(at, push, 1, TL_POKE_INT3);
    assert_int_equal(tl_poke(&poke, 1, 0), TL_OK);
    assert_text(at, int3, 1);
    struct tl_regs regs = {.ip = at + 1}, *where = &regs;
    assert_false(tli_trap(&where, at)); /* the next in order */
    poke.what = TL_POKE_BACK;
    assert_int_equal(tl_poke(&poke, 1, 0), TL_OK);
    assert_text(at, push, 1);
    assert_true(tli_trap(&where, at)); /* a late one */
    assert_int_equal(where->ip, at);
}

/* The address of a nop carries a breakpoint, then a call, then a breakpoint: one record serves them. */
static void an_address_may_change_its_size_when_it_is_free(void **context)
{
    (void)context;
    uintptr_t at = place(nop5, 5);
    struct tl_poke call = from(at, nop5, 5, TL_POKE_CALL), nop = call, int3 = from(at, nop5, 1, TL_POKE_INT3);
    struct tl_poke back = int3;
    (void)tl_poke_encode(nop.expected, &call);
    nop.what = TL_POKE_NOP;
    back.what = TL_POKE_BACK;
    const struct tli_site *site = 0;
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(tl_poke(&int3, 1, 0), TL_OK);
        assert_true(!site || site == tli_site_any(at));
        site = tli_site_any(at);
        assert_int_equal(tl_poke(&call, 1, 0), TL_OVERLAP);
        assert_int_equal(tl_poke(&back, 1, 0), TL_OK);
        assert_int_equal(tl_poke(&call, 1, 0), TL_OK);
        assert_int_equal(tl_poke(&int3, 1, 0), TL_OVERLAP);
        assert_int_equal(tl_poke(&nop, 1, 0), TL_OK);
    }
    assert_text(at, nop5, 5);
}

static void a_batch_of_any_size_costs_three_serialisations(void **context)
{
    (void)context;
    static struct tl_poke pokes[200];
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 200; i++)
            if (round == 0)
                pokes[i] = from(place(nop5, 5), nop5, 5, TL_POKE_CALL);
            else
                pokes[i].what = TL_POKE_NOP;
        uint64_t before = tli_poke_count.serialisations;
        assert_int_equal(tl_poke(pokes, 200, 0), TL_OK);
        assert_int_equal(tli_poke_count.serialisations - before, 3);
        for (unsigned i = 0; i < 200; i++)
            (void)tl_poke_encode(pokes[i].expected, &pokes[i]);
    }
    assert_int_equal(tl_poke(pokes, 0, 0), TL_OK);
}

/* In front of the poke at fault one that would be right: nothing of it is done either. */
static void refused(struct tl_poke wrong, enum tl_status status)
{
    size_t culprit = 99;
    uint64_t before = tli_poke_count.serialisations;
    struct tl_poke both[2] = {from(place(nop5, 5), nop5, 5, TL_POKE_CALL), wrong};
    uintptr_t right = both[0].address;
    if (both[1].address < right) { /* addresses ascend */
        both[0] = wrong;
        both[1] = from(right, nop5, 5, TL_POKE_CALL);
    }
    assert_int_equal(tl_poke(both, 2, &culprit), status);
    assert_int_equal(culprit, both[0].address == right);
    assert_text(right, nop5, 5);
    assert_false(tli_site_overlapping(right, 5));
    assert_int_equal(tli_poke_count.serialisations, before);
}

static void what_is_wrong_is_refused_by_name(void **context)
{
    (void)context;
    const uint8_t two[5] = {0x90, 0x0f, 0x1f, 0x40, 0x00}, nops[5] = {0x90, 0x90, 0x90, 0x90, 0x90};
    const uint8_t half[5] = {0x48, 0xb8, 0x00, 0x00, 0x00}, other[5] = {0x0f, 0x1f, 0x44, 0x00, 0x01};
    uintptr_t at = place(nop5, 5);
    refused(from(place(two, 5), two, 5, TL_POKE_CALL), TL_NO_START);
    refused(from(place(nops, 5), nops, 5, TL_POKE_CALL), TL_NO_START);
    refused(from(place(half, 5), half, 5, TL_POKE_CALL), TL_NO_START);
    refused(from(place(nop5, 5), other, 5, TL_POKE_CALL), TL_TEXT_DIFFERS);
    refused(from(at, nop5, 5, (enum tl_poke_what)9), TL_BAD_ARGUMENT);
    refused(from(at, nop5, 3, TL_POKE_NOP), TL_BAD_ARGUMENT);
    refused(from(at, nop5, 2, TL_POKE_CALL), TL_BAD_ARGUMENT);
    refused(from(at, nop5, 5, TL_POKE_INT3), TL_BAD_ARGUMENT);
    refused(from(at, nop5, 1, TL_POKE_BACK), TL_BAD_ARGUMENT);
    refused(from(TL_SIM_TEXT + TL_SIM_TEXT_BYTES - 3, nop5, 5, TL_POKE_CALL), TL_NO_TEXT);
    struct tl_poke far = from(at, nop5, 5, TL_POKE_CALL);
    far.target = at + 0x90000000u;
    refused(far, TL_TOO_FAR);
    far.target = at - 0x90000000u;
    refused(far, TL_TOO_FAR);
    struct tl_poke near = from(place("\x66\x90", 2), "\x66\x90", 2, TL_POKE_JMP);
    near.target = near.address + 2 + 128;
    refused(near, TL_TOO_FAR);
    near.target = near.address + 2 - 129;
    refused(near, TL_TOO_FAR);
    tl_sim_trap_path(at + 4, 16);
    refused(from(at, nop5, 5, TL_POKE_CALL), TL_TRAP_PATH);
    tl_sim_trap_path(0, 0);
    uint8_t byte = 0xcc; /* somebody else's breakpoint */
    uintptr_t theirs = place(&byte, 1);
    refused(from(theirs, &byte, 1, TL_POKE_INT3), TL_OVERLAP);
}

static void overlaps_are_refused(void **context)
{
    (void)context;
    uintptr_t at = place(nop5, 5);
    struct tl_poke poke = from(at, nop5, 5, TL_POKE_CALL);
    struct tl_poke twice[2] = {poke, poke}, inside[2] = {poke, from(at + 4, nop5 + 4, 1, TL_POKE_INT3)};
    struct tl_poke backwards[2] = {poke, from(at - 8, nop5, 5, TL_POKE_CALL)};
    size_t culprit;
    assert_int_equal(tl_poke(twice, 2, &culprit), TL_OVERLAP);
    assert_int_equal(culprit, 1);
    assert_int_equal(tl_poke(inside, 2, &culprit), TL_OVERLAP);
    assert_int_equal(culprit, 1);
    assert_int_equal(tl_poke(backwards, 2, &culprit), TL_BAD_ARGUMENT);
    assert_int_equal(culprit, 1);
    assert_text(at, nop5, 5);
    assert_int_equal(tl_poke(&poke, 1, 0), TL_OK);
    for (int distance = -4; distance <= 4; distance++) {
        struct tl_poke over = from(at, nop5, distance < 0 ? 5 : 1, distance < 0 ? TL_POKE_CALL : TL_POKE_INT3);
        over.address += (uintptr_t)(intptr_t)distance;
        assert_int_equal(tl_poke(&over, 1, &culprit), TL_OVERLAP);
    }
}

static void a_sled_of_nops_becomes_one(void **context)
{
    (void)context;
    const uint8_t sled[5] = {0x90, 0x90, 0x90, 0x90, 0x90}, pair[5] = {0x66, 0x90, 0x0f, 0x1f, 0x00};
    const uint8_t long_one[5] = {0x90, 0x0f, 0x1f, 0x44, 0x00}, code[5] = {0x90, 0x90, 0x90, 0x90, 0xc3};
    uintptr_t at = place(sled, 5);
    assert_int_equal(tl_poke_join_nops(at), TL_OK);
    assert_text(at, nop5, 5);
    struct tl_poke poke = from(at, nop5, 5, TL_POKE_CALL);
    assert_int_equal(tl_poke(&poke, 1, 0), TL_OK);
    assert_int_equal(tl_poke_join_nops(at), TL_OVERLAP);
    at = place(pair, 5);
    assert_int_equal(tl_poke_join_nops(at), TL_OK);
    assert_text(at, nop5, 5);
    at = place(long_one, 5); /* its last nop is longer */
    assert_int_equal(tl_poke_join_nops(at), TL_TEXT_DIFFERS);
    at = place(code, 5);
    assert_int_equal(tl_poke_join_nops(at), TL_TEXT_DIFFERS);
    assert_text(at, code, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nop_becomes_a_call_another_call_and_a_nop),
        cmocka_unit_test(short_jumps_and_breakpoints_come_and_go),
        cmocka_unit_test(an_address_may_change_its_size_when_it_is_free),
        cmocka_unit_test(a_batch_of_any_size_costs_three_serialisations),
        cmocka_unit_test(what_is_wrong_is_refused_by_name),
        cmocka_unit_test(overlaps_are_refused),
        cmocka_unit_test(a_sled_of_nops_becomes_one),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
