/* SPDX-License-Identifier: MIT
 *
 * Tests of what probes refuse in ring 0, and what is refused because of them: by name, and with nothing changed. A
 * debugger's breakpoint in the way is in tests/kernel/kgdb.sh.
 */
#include <kernel/probe_prey.h>
#include <kernel/traps.h>
#include <port/ring0/ring0.h>
#include <regs.h>
#include <trapline/ftrace.h>
#include <trapline/key.h>
#include <trapline/poke.h>
#include <trapline/port.h>

/* What cannot be probed but for its first instruction, and five bytes for others. Not executed. */
extern const uint8_t probe_refusal_prey[], probe_refusal_nop[], probe_refusal_end[];
__asm__(".pushsection .text\n"
        ".globl probe_refusal_prey, probe_refusal_nop, probe_refusal_end\n"
        ".type probe_refusal_prey, @function\n"
        "probe_refusal_prey: mov %eax, %ecx\n"
        "    int $0x80\n"
        "    .byte 0xcb\n" /* lret */
        "    mov %eax, %ss\n"
        "    .byte 0xcf\n" /* iret */
        "    ud2\n"
        "    int3\n"
        "probe_refusal_nop: .byte 0x0f, 0x1f, 0x44, 0, 0\n"
        "    ret\n"
        "probe_refusal_end:\n"
        ".size probe_refusal_prey, . - probe_refusal_prey\n"
        ".popsection");

static bool does_nothing(struct tl_probe *probe, struct tl_regs *regs)
{
    (void)probe, (void)regs;
    return false;
}

static const char *refused_at(uintptr_t address, enum tl_status status)
{
    struct tl_probe probe = {.address = address, .before = does_nothing};
    TEST_REFUSED(tl_probe_register(&probe), status);
    TEST_CHECK(!probe.point);
    return NULL;
}

static const char *probes_are_refused_by_name(void)
{
    static uint8_t written[8];
    struct {
        uintptr_t address;
        enum tl_status status;
    } const cases[] = {
        {0, TL_NO_TEXT},
        {(uintptr_t)written, TL_NO_TEXT},
        {(uintptr_t)probe_prey_jump + 1, TL_NO_START},
        {(uintptr_t)probe_refusal_nop + 4, TL_NO_START},
        {(uintptr_t)ring0_trap_begin, TL_TRAP_PATH},
        {(uintptr_t)tl_port_text_byte, TL_TRAP_PATH},
        {(uintptr_t)tl_probe_int3, TL_TRAP_PATH},
        {(uintptr_t)tl_port_context, TL_TRAP_PATH},
        {(uintptr_t)kernel_int3_later, TL_TRAP_PATH},
        {(uintptr_t)probe_refusal_prey + 2, TL_CANNOT_MOVE},  /* int */
        {(uintptr_t)probe_refusal_prey + 4, TL_CANNOT_MOVE},  /* lret */
        {(uintptr_t)probe_refusal_prey + 5, TL_CANNOT_MOVE},  /* mov to ss */
        {(uintptr_t)probe_refusal_prey + 7, TL_CANNOT_MOVE},  /* iret */
        {(uintptr_t)probe_refusal_prey + 10, TL_CANNOT_MOVE}, /* int3 */
    };
    const char *why = NULL;
    for (size_t i = 0; !why && i < sizeof cases / sizeof cases[0]; i++)
        why = refused_at(cases[i].address, cases[i].status);
    if (why)
        return why;
    struct tl_probe probe = {.address = (uintptr_t)probe_prey_jump};
    TEST_REFUSED(tl_probe_register(&probe), TL_BAD_ARGUMENT); /* tells nobody */
    probe.before = does_nothing;
    probe.flags = 1u << 31;
    TEST_REFUSED(tl_probe_register(&probe), TL_BAD_ARGUMENT);
    TEST_REFUSED(tl_probe_unregister(&probe), TL_BAD_ARGUMENT);
    TEST_REFUSED(tl_probe_enable(&probe), TL_BAD_ARGUMENT);
    TEST_REFUSED(tl_probe_disable(&probe), TL_BAD_ARGUMENT);
    return NULL;
}
KERNEL_TEST(probes_are_refused_by_name);

static const char *one_address_has_room_for_so_many(void)
{
    static struct tl_probe probes[TL_PROBE_SHARED + 1];
    bool good = true;
    for (unsigned i = 0; i < TL_PROBE_SHARED; i++) {
        probes[i] = (struct tl_probe){.address = PREY_JUMP_ADD, .before = does_nothing};
        good = tl_probe_register(&probes[i]) == TL_OK && good;
    }
    struct tl_probe *last = &probes[TL_PROBE_SHARED];
    *last = (struct tl_probe){.address = PREY_JUMP_ADD, .before = does_nothing};
    uint32_t before = test_text_sum();
    bool refused = tl_probe_register(last) == TL_NO_ROOM && !last->point && test_text_sum() == before;
    for (unsigned i = 0; i < TL_PROBE_SHARED; i++)
        good = tl_probe_unregister(&probes[i]) == TL_OK && good;
    TEST_CHECK(good && refused && probe_prey_jump() == 0x33);
    return NULL;
}
KERNEL_TEST(one_address_has_room_for_so_many);

/* ---- somebody else's place, and a probe's ---- */

static TL_KEY_OFF(probe_test_key);
static bool read_key(void)
{
    return tl_key_unlikely(probe_test_key);
}

static struct tl_poke poke_of(uintptr_t address, enum tl_poke_what what, uint8_t size)
{
    struct tl_poke poke = {.address = address, .target = address + size, .what = (uint8_t)what, .size = size};
    for (unsigned i = 0; i < size; i++)
        poke.expected[i] = ((const volatile uint8_t *)address)[i];
    return poke;
}

static const char *what_others_patch_is_not_probed(void)
{
    struct tl_poke poke = poke_of(PREY_JUMP_END, TL_POKE_INT3, 1);
    TEST_CHECK(tl_poke(&poke, 1, NULL) == TL_OK);
    const char *why = refused_at(PREY_JUMP_END, TL_OVERLAP);
    poke.what = TL_POKE_BACK;
    TEST_CHECK(tl_poke(&poke, 1, NULL) == TL_OK && probe_prey_jump() == 0x33);
    poke = poke_of((uintptr_t)probe_refusal_nop, TL_POKE_JMP, 5);
    TEST_CHECK(tl_poke(&poke, 1, NULL) == TL_OK);
    why = why ? why : refused_at(poke.address, TL_OVERLAP);
    poke = poke_of(poke.address, TL_POKE_NOP, 5);
    TEST_CHECK(tl_poke(&poke, 1, NULL) == TL_OK);
    TEST_CHECK(!read_key());
    for (const struct tl_key_record *record = __start_tl_keys; record < __stop_tl_keys && !why; record++)
        if ((uintptr_t)&record->key + (uintptr_t)(intptr_t)record->key == (uintptr_t)&probe_test_key)
            why = refused_at((uintptr_t)&record->site + (uintptr_t)(intptr_t)record->site, TL_OVERLAP);
    return why;
}
KERNEL_TEST(what_others_patch_is_not_probed);

static const char *poke_is_refused(uintptr_t address, enum tl_poke_what what, uint8_t size, enum tl_status status)
{
    struct tl_poke poke = poke_of(address, what, size);
    TEST_REFUSED(tl_poke(&poke, 1, NULL), status);
    return NULL;
}

/* By an int3 and by a jump. */
static const char *what_is_probed_is_not_patched(void)
{
    static struct tl_key key = {1};
    static struct tl_key_record record;
    struct tl_key_table table = {&record, &record + 1, NULL};
    struct tl_probe probe = {.address = (uintptr_t)probe_refusal_nop, .before = does_nothing};
    record.site = (int32_t)(probe.address - (uintptr_t)&record.site);
    record.target = (int32_t)(probe.address + 5 - (uintptr_t)&record.target);
    record.key = (int32_t)((uintptr_t)&key - (uintptr_t)&record.key);
    const char *why = NULL;
    for (unsigned i = 0; i < 2 && !why; i++) {
        probe.flags = i ? 0 : TL_PROBE_NO_JUMP;
        TEST_CHECK(tl_probe_register(&probe) == TL_OK);
        unsigned held = tl_probe_how(&probe) == TL_PROBE_BY_JUMP ? 5 : 1;
        for (unsigned k = 0; k < held && !why; k++)
            why = poke_is_refused(probe.address + k, TL_POKE_INT3, 1, TL_OVERLAP);
        why = why ? why : poke_is_refused(probe.address, TL_POKE_NOP, 5, TL_OVERLAP);
        uint32_t before = test_text_sum();
        if (!why && (tl_keys_add(&table) != TL_OVERLAP || test_text_sum() != before))
            why = "a key's place may be where a probe is";
        if (!why && i && held == 1)
            why = "no jump where there is room for one";
        TEST_CHECK(tl_probe_unregister(&probe) == TL_OK);
    }
    return why;
}
KERNEL_TEST(what_is_probed_is_not_patched);

/* A disabled one is let in again only where its instruction still stands. */
static const char *what_has_changed_is_not_probed(void)
{
    struct tl_probe probe = {.address = PREY_JUMP_ADD, .before = does_nothing, .flags = TL_PROBE_DISABLED};
    TEST_CHECK(tl_probe_register(&probe) == TL_OK);
    uint8_t kept = *(const volatile uint8_t *)PREY_JUMP_ADD, foreign = 0x90;
    tl_port_text_lock();
    bool written = tl_port_text_write(PREY_JUMP_ADD, &foreign, 1) == TL_OK;
    tl_port_serialize();
    tl_port_text_unlock();
    uint32_t before = test_text_sum();
    enum tl_status status = tl_probe_enable(&probe);
    bool same = test_text_sum() == before && probe.disabled;
    tl_port_text_lock();
    written = tl_port_text_write(PREY_JUMP_ADD, &kept, 1) == TL_OK && written;
    tl_port_serialize();
    tl_port_text_unlock();
    TEST_CHECK(written && status == TL_TEXT_DIFFERS && same);
    TEST_CHECK(tl_probe_enable(&probe) == TL_OK && probe_prey_jump() == 0x33 && tl_probe_unregister(&probe) == TL_OK);
    return NULL;
}
KERNEL_TEST(what_has_changed_is_not_probed);

/* ---- beside ftrace ---- */

PREY static unsigned replaced(unsigned n)
{
    OPAQUE;
    return n + 1;
}

static void goes_on(uintptr_t site, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    (void)site, (void)parent, (void)ops, (void)regs;
}

/* Who may change ip on an ftrace site excludes the next who may. */
static const char *one_may_change_ip_on_an_ftrace_site(void)
{
    static struct tl_ftrace_ops ops = {.entered = goes_on, .flags = TL_FTRACE_REGS | TL_FTRACE_IP};
    uintptr_t site = tl_ftrace_site_of((uintptr_t)replaced);
    struct tl_probe plain = {.address = site, .before = does_nothing}, moves = plain;
    moves.flags = TL_PROBE_IP;
    if (tl_ftrace_count() == 0)
        return NULL; /* the build has left ftrace out */
    TEST_CHECK(tl_ftrace_choose_address(&ops, TL_FTRACE_FILTER, site, TL_FTRACE_REPLACE) == TL_OK);
    TEST_CHECK(tl_ftrace_register(&ops) == TL_OK);
    TEST_REFUSED(tl_probe_register(&moves), TL_BUSY);
    TEST_CHECK(!moves.point && tl_ftrace_unregister(&ops) == TL_OK && tl_probe_register(&moves) == TL_OK);
    TEST_REFUSED(tl_ftrace_register(&ops), TL_BUSY);
    TEST_CHECK(tl_probe_unregister(&moves) == TL_OK && tl_probe_register(&plain) == TL_OK);
    TEST_REFUSED(tl_probe_register(&moves), TL_BUSY); /* joins those who may not */
    TEST_CHECK(tl_probe_unregister(&plain) == TL_OK && tl_ftrace_forget(&ops) == TL_OK && replaced(1) == 2);
    return NULL;
}
KERNEL_TEST(one_may_change_ip_on_an_ftrace_site);
