/* SPDX-License-Identifier: MIT
 *
 * Tests of what pokes, static keys and static calls refuse in ring 0: by name, and with nothing changed. Probes and
 * ftrace have their own: probe_refusal_test.c, ftrace_refusal_test.c.
 */
#include <kernel/test.h>
#include <port/ring0/ring0.h>
#include <trapline/key.h>
#include <trapline/poke.h>
#include <trapline/port.h>

enum { SITE_BYTES = 5, RECORDS = 2 };

/* A nop, a mov and a ret; a jmp over nothing. */
extern uint8_t refusal_prey[];
__asm__(".pushsection .text\n"
        ".globl refusal_prey\n"
        "refusal_prey: .byte 0x0f, 0x1f, 0x44, 0, 0\n"
        "    mov $0x11, %eax\n"
        "    ret\n"
        ".popsection");

static const uint8_t nop[SITE_BYTES] = {0x0f, 0x1f, 0x44, 0, 0};
static const uint8_t data[16] = {0x0f, 0x1f, 0x44, 0, 0};
static uint8_t written[16] = {0x0f, 0x1f, 0x44, 0, 0};

static unsigned prey(void)
{
    unsigned long value = 0;
    __asm__ volatile("call *%1" : "+a"(value) : "r"(refusal_prey) : "memory", "cc");
    return (unsigned)value;
}

/* A call of target in the place of what stands at address, or what is said to. */
static struct tl_poke call_at(uintptr_t address, const uint8_t *expected)
{
    struct tl_poke poke = {.address = address, .what = TL_POKE_CALL, .size = SITE_BYTES};
    poke.target = (uintptr_t)refusal_prey;
    for (unsigned i = 0; i < SITE_BYTES; i++)
        poke.expected[i] = expected[i];
    return poke;
}

static const char *pokes_are_refused_by_name(void)
{
    size_t culprit = 99;
    struct tl_poke poke = call_at((uintptr_t)written, nop), batch[2];
    TEST_REFUSED(tl_poke(&poke, 1, &culprit), TL_NO_TEXT);
    poke = call_at(0, nop);
    TEST_REFUSED(tl_poke(&poke, 1, &culprit), TL_NO_TEXT);
    poke = call_at((uintptr_t)refusal_prey + 1, refusal_prey + 1);
    TEST_REFUSED(tl_poke(&poke, 1, &culprit), TL_NO_START);
    poke = call_at((uintptr_t)refusal_prey + 2, nop);
    TEST_REFUSED(tl_poke(&poke, 1, &culprit), TL_TEXT_DIFFERS);
    poke = call_at((uintptr_t)ring0_trap_begin, ring0_trap_begin);
    TEST_REFUSED(tl_poke(&poke, 1, &culprit), TL_TRAP_PATH);
    poke = call_at((uintptr_t)ring0_trap_end - 1, nop);
    TEST_REFUSED(tl_poke(&poke, 1, &culprit), TL_TRAP_PATH);
    poke = call_at((uintptr_t)tl_port_text_byte, nop);
    TEST_REFUSED(tl_poke(&poke, 1, &culprit), TL_TRAP_PATH);
    poke = call_at((uintptr_t)refusal_prey, data + 1);
    TEST_REFUSED(tl_poke(&poke, 1, &culprit), TL_TEXT_DIFFERS);
    poke = call_at((uintptr_t)refusal_prey, nop);
    poke.target = UINTPTR_MAX / 2;
    if (sizeof(uintptr_t) == 8) /* on i386 all is in reach */
        TEST_REFUSED(tl_poke(&poke, 1, &culprit), TL_TOO_FAR);
    /* a batch is refused whole, for its second */
    batch[0] = batch[1] = call_at((uintptr_t)refusal_prey, nop);
    culprit = 99;
    TEST_REFUSED(tl_poke(batch, 2, &culprit), TL_OVERLAP);
    TEST_CHECK(culprit == 1);
    batch[1] = (struct tl_poke){.address = batch[0].address + 4, .what = TL_POKE_INT3, .size = 1};
    TEST_REFUSED(tl_poke(batch, 2, &culprit), TL_OVERLAP);
    batch[1] = call_at((uintptr_t)refusal_prey + SITE_BYTES, nop);
    TEST_REFUSED(tl_poke(batch, 2, &culprit), TL_TEXT_DIFFERS);
    TEST_CHECK(culprit == 1);
    batch[1] = call_at((uintptr_t)refusal_prey - SITE_BYTES, nop);
    TEST_REFUSED(tl_poke(batch, 2, &culprit), TL_BAD_ARGUMENT);
    TEST_REFUSED(tl_poke_join_nops((uintptr_t)refusal_prey + 1), TL_TEXT_DIFFERS);
    TEST_REFUSED(tl_poke_join_nops((uintptr_t)ring0_trap_begin), TL_TRAP_PATH);
    TEST_REFUSED(tl_poke_join_nops((uintptr_t)written), TL_NO_TEXT);
    TEST_CHECK(prey() == 0x11);
    return NULL;
}
KERNEL_TEST(pokes_are_refused_by_name);

/* What a poke has put there stands in the way of the next, but for one of that place and size. */
static const char *what_is_poked_excludes_others(void)
{
    struct tl_poke first = {.address = (uintptr_t)refusal_prey, .what = TL_POKE_JMP, .size = SITE_BYTES};
    first.target = first.address + SITE_BYTES;
    for (unsigned i = 0; i < SITE_BYTES; i++)
        first.expected[i] = nop[i];
    TEST_CHECK(tl_poke(&first, 1, NULL) == TL_OK && prey() == 0x11);
    for (unsigned i = 1; i < SITE_BYTES; i++) {
        struct tl_poke inside = {.address = first.address + i, .what = TL_POKE_INT3, .size = 1};
        inside.expected[0] = refusal_prey[i];
        TEST_REFUSED(tl_poke(&inside, 1, NULL), TL_OVERLAP);
        inside = call_at((uintptr_t)refusal_prey + i, refusal_prey + i);
        TEST_REFUSED(tl_poke(&inside, 1, NULL), TL_OVERLAP);
    }
    TEST_REFUSED(tl_poke(&first, 1, NULL), TL_TEXT_DIFFERS); /* it stands there */
    TEST_REFUSED(tl_poke_join_nops(first.address), TL_OVERLAP);
    struct tl_poke back = {.address = first.address, .what = TL_POKE_NOP, .size = SITE_BYTES};
    TEST_CHECK(tl_poke_encode(back.expected, &first) == TL_OK && tl_poke(&back, 1, NULL) == TL_OK && prey() == 0x11);
    return NULL;
}
KERNEL_TEST(what_is_poked_excludes_others);

/* ---- static keys and calls ---- */

static struct tl_key key;
static struct tl_key_record records[RECORDS];

static int32_t distance(const int32_t *field, const void *to)
{
    return (int32_t)((uintptr_t)to - (uintptr_t)field);
}

/* A place that says it reads key with the nop at site. */
static void record_at(unsigned i, const void *site)
{
    records[i].site = distance(&records[i].site, site);
    records[i].target = distance(&records[i].target, refusal_prey + SITE_BYTES);
    records[i].key = distance(&records[i].key, &key);
    records[i].likely = 0;
}

static const char *places_of_keys_are_refused_by_name(void)
{
    struct tl_key_table table = {records, records + 1, NULL};
    key.users = 1; /* it is on, so a place that is off has to be poked */
    record_at(0, written);
    TEST_REFUSED(tl_keys_add(&table), TL_NO_TEXT);
    record_at(0, refusal_prey + 1);
    TEST_REFUSED(tl_keys_add(&table), TL_TEXT_DIFFERS);
    record_at(0, ring0_trap_begin);
    TEST_REFUSED(tl_keys_add(&table), TL_TRAP_PATH);
    record_at(0, refusal_prey);
    record_at(1, refusal_prey);
    table.to = records + 2;
    TEST_REFUSED(tl_keys_add(&table), TL_OVERLAP);
    TEST_CHECK(tl_keys_remove(&table) == TL_NOT_MINE); /* none of these was taken in */
    table.to = records + 1;
    TEST_CHECK(tl_keys_add(&table) == TL_OK && refusal_prey[0] == 0xe9 && prey() == 0x11);
    TEST_REFUSED(tl_keys_add(&table), TL_BUSY);
    /* what was left there has changed: the key stays on */
    struct tl_poke foreign = {.address = (uintptr_t)refusal_prey, .what = TL_POKE_NOP, .size = SITE_BYTES}, ours;
    for (unsigned i = 0; i < SITE_BYTES; i++)
        foreign.expected[i] = ((const volatile uint8_t *)refusal_prey)[i];
    TEST_CHECK(tl_poke(&foreign, 1, NULL) == TL_OK);
    TEST_REFUSED(tl_key_set(&key, false), TL_TEXT_DIFFERS);
    TEST_REFUSED(tl_key_put(&key), TL_TEXT_DIFFERS);
    TEST_CHECK(key.users == 1);
    ours = (struct tl_poke){foreign.address, foreign.address + SITE_BYTES, TL_POKE_JMP, SITE_BYTES, {0}};
    TEST_CHECK(tl_poke_encode(ours.expected, &foreign) == TL_OK && tl_poke(&ours, 1, NULL) == TL_OK);
    TEST_CHECK(tl_key_put(&key) == TL_OK && refusal_prey[0] == nop[0] && tl_keys_remove(&table) == TL_OK);
    return NULL;
}
KERNEL_TEST(places_of_keys_are_refused_by_name);

static unsigned first(void)
{
    return 1;
}

TL_STATIC_CALL(refusal_test_call, first);

static const char *static_calls_are_refused_by_name(void)
{
    struct tl_static_call call = refusal_test_call_static_call;
    if (sizeof(uintptr_t) == 8)
        TEST_REFUSED(tl_static_call_update(&call, UINTPTR_MAX / 2), TL_TOO_FAR);
    call.trampoline++;
    TEST_REFUSED(tl_static_call_update(&call, (uintptr_t)prey), TL_TEXT_DIFFERS);
    call.trampoline = (uintptr_t)written;
    TEST_REFUSED(tl_static_call_update(&call, (uintptr_t)prey), TL_NO_TEXT);
    call.trampoline = (uintptr_t)tl_port_text_byte;
    TEST_REFUSED(tl_static_call_update(&call, (uintptr_t)prey), TL_TRAP_PATH);
    TEST_CHECK(call.target == (uintptr_t)first && refusal_test_call() == 1);
    return NULL;
}
KERNEL_TEST(static_calls_are_refused_by_name);
