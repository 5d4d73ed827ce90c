/* SPDX-License-Identifier: MIT
 *
 * Tests of faults around probes in ring 0: of a probed instruction that runs elsewhere, in a handler, and of an opcode
 * that is none, which may be a jump's. What the instruction has done by then is compared in tests/core/probe_test.c.
 */
#include <kernel/peek.h>
#include <kernel/probe_prey.h>
#include <regs.h>
#include <trapline/notify.h>

enum { NOT_MAPPED = 16, INVALID_OPCODE = 6, PAGE_FAULT = 14 };

/* Reads where cx leads; the first instruction under a jump is one of four bytes; one that is none. */
extern const uint8_t probe_fault_reads[], probe_fault_four[], probe_fault_none[];
__asm__(".pushsection .text\n"
        ".globl probe_fault_reads, probe_fault_four, probe_fault_none\n"
        ".type probe_fault_reads, @function\n"
        "probe_fault_reads: .byte 0x8b, 0x01\n" /* mov (%cx), %eax */
        "    .byte 0x0f, 0x1f, 0x44, 0, 0\n"
        "    ret\n"
        ".size probe_fault_reads, . - probe_fault_reads\n"
        ".type probe_fault_four, @function\n"
        "probe_fault_four: .byte 0x8d, 0x44, 0x00, 0x01\n" /* lea 1(%ax,%ax), %eax */
        "    add $2, %eax\n"
        "    ret\n"
        ".size probe_fault_four, . - probe_fault_four\n"
        ".type probe_fault_none, @function\n"
        "probe_fault_none: ud2\n"
        "    ret\n"
        ".size probe_fault_none, . - probe_fault_none\n"
        ".popsection");

static unsigned call(const uint8_t *function, unsigned long a, unsigned long c)
{
    __asm__ volatile("call *%2" : "+a"(a), "+c"(c) : "r"(function) : "memory", "cc");
    return (unsigned)a;
}

static struct {
    unsigned count;
    uintptr_t ip;
    int trap;
} fault;

/* Goes on behind the instruction at fault, which has two bytes. */
static bool steps_over(struct tl_notifier *self, const struct tl_notification *what)
{
    (void)self;
    if (what->event != TL_NOTIFY_FAULT)
        return false;
    fault.count++;
    fault.ip = (uintptr_t)(*what->regs)->ip;
    fault.trap = what->trap;
    (*what->regs)->ip += 2;
    return true;
}

static struct tl_notifier notifier = {steps_over, 0};

static bool faulted(unsigned count, const uint8_t *ip, int trap)
{
    bool so = fault.count == count && fault.ip == (uintptr_t)ip && fault.trap == trap;
    fault.count = 0;
    return so;
}

static const struct {
    tl_probe_after *after;
    uint32_t flags;
    enum tl_probe_how how;
} kinds[] = {
    {NULL, 0, TL_PROBE_BY_JUMP}, {NULL, TL_PROBE_NO_JUMP, TL_PROBE_BY_INT3}, {probe_count_after, 0, TL_PROBE_BY_INT3}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void begin(unsigned kind, struct tl_probe *probe, const uint8_t *where, struct probe_told *told)
{
    *probe = (struct tl_probe){.address = (uintptr_t)where, .before = probe_count_before};
    probe->after = kinds[kind].after;
    probe->flags = kinds[kind].flags;
    probe->data = told;
    EXPECT(tl_probe_register(probe) == TL_OK && tl_probe_how(probe) == kinds[kind].how);
}

static const char *faults_of_probed_instructions_are_their_own(void)
{
    unsigned long there = 0x1234;
    probe_failed = NULL;
    EXPECT(tl_notifier_register(&notifier) == TL_OK);
    fault.count = 0;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct probe_told told = {0};
        struct tl_probe probe;
        begin(kind, &probe, probe_fault_reads, &told);
        EXPECT(call(probe_fault_reads, 7, NOT_MAPPED) == 7 && faulted(1, probe_fault_reads, PAGE_FAULT));
        EXPECT(told.before == 1 && told.after == 0);
        EXPECT(call(probe_fault_reads, 7, (uintptr_t)&there) == 0x1234 && fault.count == 0);
        EXPECT(told.before == 2 && told.after == (kinds[kind].after ? 1 : 0));
        EXPECT(tl_probe_unregister(&probe) == TL_OK); /* waits for no end that does not come */
    }
    EXPECT(tl_notifier_unregister(&notifier) == TL_OK);
    return probe_failed;
}
KERNEL_TEST(faults_of_probed_instructions_are_their_own);

/* ---- in a handler ---- */

/* A fault that is mended here, and one of a probed instruction, which is missed. */
static bool faults(struct tl_probe *probe, struct tl_regs *regs)
{
    unsigned word;
    EXPECT(peek(&word, NOT_MAPPED, sizeof word) == 0);
    EXPECT(call(probe_fault_reads, 7, NOT_MAPPED) == 7);
    return probe_count_before(probe, regs);
}

static void faults_after(struct tl_probe *probe, struct tl_regs *regs)
{
    unsigned word;
    EXPECT(peek(&word, NOT_MAPPED, sizeof word) == 0);
    EXPECT(call(probe_fault_reads, 7, NOT_MAPPED) == 7);
    probe_count_after(probe, regs);
}

static const char *handlers_may_fault(void)
{
    probe_failed = NULL;
    EXPECT(tl_notifier_register(&notifier) == TL_OK);
    fault.count = 0;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct probe_told inner_told = {0}, told = {0};
        struct tl_probe inner, probe = {.address = (uintptr_t)probe_prey_jump, .before = faults, .data = &told};
        unsigned ends = kinds[kind].after ? 1 : 0;
        begin(kind, &inner, probe_fault_reads, &inner_told);
        probe.after = ends ? faults_after : NULL;
        probe.flags = kinds[kind].flags;
        EXPECT(tl_probe_register(&probe) == TL_OK && tl_probe_how(&probe) == kinds[kind].how);
        EXPECT(probe_prey_jump() == 0x33 && told.before == 1 && told.after == ends);
        EXPECT(faulted(1 + ends, probe_fault_reads, PAGE_FAULT));
        EXPECT(inner.missed == 1 + ends && inner_told.before == 0 && probe.missed == 0);
        EXPECT(tl_probe_unregister(&probe) == TL_OK && tl_probe_unregister(&inner) == TL_OK);
    }
    EXPECT(tl_notifier_unregister(&notifier) == TL_OK);
    return probe_failed;
}
KERNEL_TEST(handlers_may_fault);

/* ---- invalid opcodes ---- */

/* So close to address 0 no stub lies where an int3 at byte 4 of the jump would lead; on x86-64 it is another byte that
 * traps, and on i386 there is no jump. */
static const char *an_invalid_opcode_is_a_jumps_or_a_fault(void)
{
    struct probe_told told = {0};
    struct tl_probe probe = {.address = (uintptr_t)probe_fault_four, .before = probe_count_before, .data = &told};
    bool wide = sizeof(uintptr_t) == 8;
    const volatile uint8_t *byte = probe_fault_four + 4;
    probe_failed = NULL;
    EXPECT(tl_notifier_register(&notifier) == TL_OK);
    fault.count = 0;
    EXPECT(tl_probe_register(&probe) == TL_OK);
    EXPECT(tl_probe_how(&probe) == (wide ? TL_PROBE_BY_JUMP : TL_PROBE_BY_INT3) && *byte != 0xcc);
    EXPECT(!wide || *byte != 0x83);
    EXPECT(call(probe_fault_four, 5, 0) == 13 && told.before == 1);
    EXPECT(call(probe_fault_four + 4, 5, 0) == 7 && told.before == 1 && fault.count == 0);
    EXPECT(tl_probe_unregister(&probe) == TL_OK && *byte == 0x83 && call(probe_fault_four, 5, 0) == 13);
    EXPECT(call(probe_fault_none, 5, 0) == 5 && faulted(1, probe_fault_none, INVALID_OPCODE));
    EXPECT(tl_notifier_unregister(&notifier) == TL_OK);
    return probe_failed;
}
KERNEL_TEST(an_invalid_opcode_is_a_jumps_or_a_fault);
