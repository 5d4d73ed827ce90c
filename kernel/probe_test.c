/* SPDX-License-Identifier: MIT
 *
 * Tests of probes in ring 0: what is told and refused, on one thread. What happens on several CPUs and in interrupts is
 * in probe_race_test.c.
 */
#include <kernel/probe_prey.h>
#include <kernel/symbols.h>
#include <kernel/thread.h>
#include <regs.h>
#include <trapline/port.h>

const char *volatile probe_failed;

/* clang-format off */
__asm__(".pushsection .text\n"
        ".globl probe_prey_jump, probe_prey_loop, probe_prey_calls\n"
        ".type probe_prey_jump, @function\n"
        "probe_prey_jump: mov $0x11, %eax\n"
        "    add $0x22, %eax\n"
        "    ret\n"
        ".size probe_prey_jump, . - probe_prey_jump\n"
        ".type probe_prey_loop, @function\n"
        "probe_prey_loop: xor %eax, %eax\n"
        "    mov $5, %ecx\n"
        "    inc %eax\n" /* a branch leads to its second instruction */
        "1:  inc %eax\n"
        "    nop\n"
        "    nop\n"
        "    nop\n"
        "    loop 1b\n"
        "    ret\n"
        ".size probe_prey_loop, . - probe_prey_loop\n"
        ".type probe_prey_calls, @function\n"
        "probe_prey_calls: xor %eax, %eax\n"
        "    call probe_prey_jump\n"
        "    ret\n"
        ".size probe_prey_calls, . - probe_prey_calls\n"
        ".popsection");
/* clang-format on */

bool probe_count_before(struct tl_probe *probe, struct tl_regs *regs)
{
    struct probe_told *told = probe->data;
    EXPECT(regs->ip == probe->address);
    add_one(&told->before);
    return false;
}

void probe_count_after(struct tl_probe *probe, struct tl_regs *regs)
{
    struct probe_told *told = probe->data;
    (void)regs;
    add_one(&told->after);
}

static const char *every_kind_of_probe_tells_and_goes(void)
{
    static const struct {
        uintptr_t address;
        uint32_t flags;
        bool after;
        enum tl_probe_how how;
    } kinds[] = {
        {(uintptr_t)probe_prey_jump, 0, false, TL_PROBE_BY_JUMP},
        {(uintptr_t)probe_prey_jump, TL_PROBE_NO_JUMP, false, TL_PROBE_BY_INT3},
        {(uintptr_t)probe_prey_jump, 0, true, TL_PROBE_BY_INT3},
        {PREY_JUMP_ADD, 0, false, TL_PROBE_BY_INT3}, /* no room before the function's end */
        {PREY_JUMP_ADD, 0, true, TL_PROBE_BY_INT3},
        {PREY_JUMP_END, 0, true, TL_PROBE_BY_INT3},
    };
    probe_failed = NULL;
    for (size_t i = 0; i < 2 * sizeof kinds / sizeof kinds[0]; i++) {
        size_t k = i % (sizeof kinds / sizeof kinds[0]);
        struct probe_told told = {0};
        struct tl_probe probe = {.address = kinds[k].address, .before = probe_count_before, .flags = kinds[k].flags};
        probe.after = kinds[k].after ? probe_count_after : NULL;
        probe.data = &told;
        EXPECT(tl_probe_register(&probe) == TL_OK && tl_probe_how(&probe) == kinds[k].how);
        EXPECT(tl_probe_register(&probe) == TL_BAD_ARGUMENT);
        for (unsigned call = 1; call <= 5; call++)
            EXPECT(probe_prey_jump() == 0x33 && told.before == call && told.after == (kinds[k].after ? call : 0));
        EXPECT(tl_probe_disable(&probe) == TL_OK && tl_probe_how(&probe) == TL_PROBE_BY_NOTHING);
        EXPECT(probe_prey_jump() == 0x33 && told.before == 5);
        EXPECT(tl_probe_enable(&probe) == TL_OK && probe_prey_jump() == 0x33 && told.before == 6);
        EXPECT(tl_probe_unregister(&probe) == TL_OK && tl_probe_unregister(&probe) == TL_BAD_ARGUMENT);
        EXPECT(probe_prey_jump() == 0x33 && told.before == 6 && probe.missed == 0);
    }
    return probe_failed;
}
KERNEL_TEST(every_kind_of_probe_tells_and_goes);

static bool skips(struct tl_probe *probe, struct tl_regs *regs)
{
    probe_count_before(probe, regs);
    regs->gpr[TL_REG_AX] = 0x100;
    regs->ip = PREY_JUMP_ADD;
    return true;
}

static const char *probes_share_an_address_and_bytes(void)
{
    struct probe_told a_told = {0}, b_told = {0}, c_told = {0}, in_told = {0};
    struct tl_probe a = {.address = (uintptr_t)probe_prey_jump, .before = probe_count_before, .data = &a_told};
    struct tl_probe b = a, c = a, in = a;
    probe_failed = NULL;
    b.after = probe_count_after;
    b.data = &b_told;
    c.before = skips;
    c.flags = TL_PROBE_IP;
    c.data = &c_told;
    in.address = PREY_CALLS_CALL;
    in.data = &in_told;
    EXPECT(tl_probe_register(&a) == TL_OK && tl_probe_how(&a) == TL_PROBE_BY_JUMP && probe_prey_jump() == 0x33);
    EXPECT(tl_probe_register(&b) == TL_OK && tl_probe_how(&a) == TL_PROBE_BY_INT3 && probe_prey_jump() == 0x33);
    EXPECT(a_told.before == 2 && b_told.before == 1 && b_told.after == 1);
    EXPECT(tl_probe_register(&c) == TL_OK && probe_prey_jump() == 0x122);
    EXPECT(a_told.before == 3 && b_told.before == 2 && b_told.after == 1 && c_told.before == 1);
    EXPECT(tl_probe_disable(&c) == TL_OK && probe_prey_jump() == 0x33 && b_told.after == 2);
    EXPECT(tl_probe_unregister(&c) == TL_OK && tl_probe_unregister(&b) == TL_OK);
    EXPECT(tl_probe_how(&a) == TL_PROBE_BY_JUMP && probe_prey_jump() == 0x33 && a_told.before == 5);
    EXPECT(tl_probe_unregister(&a) == TL_OK);
    /* a jump gives way to a probe within its bytes */
    a.address = (uintptr_t)probe_prey_calls;
    EXPECT(tl_probe_register(&a) == TL_OK && tl_probe_how(&a) == TL_PROBE_BY_JUMP && probe_prey_calls() == 0x33);
    EXPECT(tl_probe_register(&in) == TL_OK && tl_probe_how(&a) == TL_PROBE_BY_INT3 && probe_prey_calls() == 0x33);
    EXPECT(a_told.before == 7 && in_told.before == 1);
    EXPECT(tl_probe_unregister(&in) == TL_OK && tl_probe_how(&a) == TL_PROBE_BY_JUMP && probe_prey_calls() == 0x33);
    EXPECT(tl_probe_unregister(&a) == TL_OK && a_told.before == 8 && probe_prey_calls() == 0x33);
    return probe_failed;
}
KERNEL_TEST(probes_share_an_address_and_bytes);

/* Each byte of some functions, one after the other and all at once. */
static struct tl_probe byte_probes[64];

static unsigned probe_bytes(uintptr_t begin, size_t size, struct probe_told *told, unsigned *jumps)
{
    unsigned starts = 0;
    struct tl_insn insn;
    uint8_t bytes[64 + TL_INSN_MAX_BYTES];
    for (size_t i = 0; i < size + TL_INSN_MAX_BYTES; i++)
        bytes[i] = ((const volatile uint8_t *)begin)[i];
    size_t start = 0;
    for (size_t i = 0; i < size; i++) {
        byte_probes[i] = (struct tl_probe){.address = begin + i, .before = probe_count_before, .data = told};
        enum tl_status status = tl_probe_register(&byte_probes[i]);
        EXPECT(status == (i == start ? TL_OK : TL_NO_START));
        *jumps += tl_probe_how(&byte_probes[i]) == TL_PROBE_BY_JUMP;
        if (i == start && tl_insn_decode(&insn, bytes + i, TL_INSN_MAX_BYTES, TL_ARCH_MODE) == TL_OK) {
            start += insn.length;
            starts++;
        }
    }
    return starts;
}

static const char *only_instruction_starts_are_probed(void)
{
    static const struct {
        unsigned (*call)(void);
        unsigned value, executed;
    } prey[] = {{probe_prey_jump, 0x33, 3}, {probe_prey_loop, 6, 0}, {probe_prey_calls, 0x33, 0}};
    probe_failed = NULL;
    for (size_t i = 0; i < sizeof prey / sizeof prey[0]; i++) {
        struct probe_told told = {0};
        struct symbol symbol;
        unsigned jumps = 0;
        EXPECT(symbol_of((uintptr_t)prey[i].call, &symbol) && symbol.size_bytes <= 64);
        unsigned starts = probe_bytes(symbol.address, symbol.size_bytes, &told, &jumps);
        EXPECT(prey[i].call() == prey[i].value && told.before >= starts);
        EXPECT(!prey[i].executed || told.before == prey[i].executed);
        EXPECT(jumps > 0);
        for (size_t k = 0; k < symbol.size_bytes; k++)
            if (byte_probes[k].point)
                EXPECT(tl_probe_unregister(&byte_probes[k]) == TL_OK);
        EXPECT(prey[i].call() == prey[i].value);
    }
    return probe_failed;
}
KERNEL_TEST(only_instruction_starts_are_probed);

/* ---- a handler that is probed ---- */

static bool calls_prey(struct tl_probe *probe, struct tl_regs *regs)
{
    probe_count_before(probe, regs);
    EXPECT(probe_prey_jump() == 0x33 && probe_prey_loop() == 6);
    return false;
}

static const char *a_probe_within_a_handler_is_missed_and_executed(void)
{
    probe_failed = NULL;
    for (unsigned flags = 0; flags <= TL_PROBE_NO_JUMP; flags += TL_PROBE_NO_JUMP)
        for (unsigned after = 0; after < 2; after++) {
            struct probe_told outer_told = {0}, inner_told = {0};
            struct tl_probe outer = {.address = (uintptr_t)probe_prey_loop, .before = calls_prey, .flags = flags};
            struct tl_probe inner = {.address = (uintptr_t)probe_prey_jump, .before = probe_count_before};
            inner.after = after ? probe_count_after : NULL;
            outer.data = &outer_told;
            inner.data = &inner_told;
            EXPECT(tl_probe_register(&outer) == TL_OK && tl_probe_register(&inner) == TL_OK);
            EXPECT(probe_prey_loop() == 6 && outer_told.before == 1 && inner_told.before == 0);
            EXPECT(inner.missed == 1 && outer.missed == 1);
            EXPECT(probe_prey_jump() == 0x33 && inner_told.before == 1 && inner_told.after == after);
            EXPECT(tl_probe_unregister(&outer) == TL_OK && tl_probe_unregister(&inner) == TL_OK);
        }
    return probe_failed;
}
KERNEL_TEST(a_probe_within_a_handler_is_missed_and_executed);

/* ---- beside ftrace ---- */

PREY static unsigned probe_prey_traced(unsigned n)
{
    OPAQUE;
    return n + 1;
}

static void traced(uintptr_t site, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    (void)site, (void)parent, (void)regs;
    add_one(ops->data);
}

static const char *a_probe_on_an_ftrace_site_is_ftraces(void)
{
    static _Atomic unsigned calls;
    static struct tl_ftrace_ops ops = {.entered = traced, .data = (void *)&calls};
    struct probe_told told = {0}, body_told = {0};
    uintptr_t site = tl_ftrace_site_of((uintptr_t)probe_prey_traced);
    struct tl_probe probe = {.address = site, .before = probe_count_before, .after = probe_count_after, .data = &told};
    struct tl_probe body = {.address = site + 5, .before = probe_count_before, .data = &body_told};
    struct tl_probe inside = {.address = site + 1, .before = probe_count_before};
    probe_failed = NULL;
    if (tl_ftrace_count() == 0)
        return NULL; /* the build has left ftrace out */
    EXPECT(site != 0);
    for (unsigned round = 1; !probe_failed && round <= 3; round++) {
        unsigned before = calls;
        EXPECT(tl_probe_register(&probe) == TL_OK && tl_probe_how(&probe) == TL_PROBE_BY_FTRACE);
        EXPECT(tl_probe_register(&body) == TL_OK && tl_probe_register(&inside) == TL_NO_START);
        EXPECT(probe_prey_traced(1) == 2);
        EXPECT(tl_ftrace_choose(&ops, TL_FTRACE_FILTER, "probe_prey_traced", TL_FTRACE_REPLACE) == TL_OK);
        EXPECT(tl_ftrace_register(&ops) == TL_OK && probe_prey_traced(1) == 2 && calls == before + 1);
        EXPECT(tl_probe_unregister(&probe) == TL_OK && probe_prey_traced(1) == 2 && calls == before + 2);
        EXPECT(tl_ftrace_unregister(&ops) == TL_OK && tl_probe_unregister(&body) == TL_OK);
        EXPECT(probe_prey_traced(1) == 2 && calls == before + 2);
        EXPECT(told.before == 2 * round && told.after == 2 * round && body_told.before == 3 * round);
    }
    return probe_failed;
}
KERNEL_TEST(a_probe_on_an_ftrace_site_is_ftraces);
