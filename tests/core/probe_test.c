/* SPDX-License-Identifier: MIT
 *
 * A probed instruction does what it does without: each form runs on the processor bare, then under probes of every
 * kind, from the same registers, flags, stack and memory, and everything is compared; faults, too. Real code over the
 * port of tests/arch, one thread. Built at both widths (probe32.sh), so without cmocka. On other cores, and beside
 * ftrace: kernel/probe_*test.c.
 */
#include <core/place.h>
#include <core/trap.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <tests/arch/port.h>
#include <tests/core/native_case.h>
#include <tests/core/probe_forms.h>
#include <trapline/probe.h>
#include <unistd.h>

enum { STATES_MAX = 128, PLACE_BYTES = 64, PADDING = 5, RED_ZONE_BYTES = TL_ARCH_GPRS == 16 ? 128 : 0 };

/* What an instruction can change. */
struct world {
    struct tl_regs regs;
    int signal;
    uint8_t stack[NATIVE_STACK_BYTES], data[NATIVE_DATA_BYTES];
};

static struct world starts[STATES_MAX], ends[STATES_MAX];
static unsigned told_before, told_after, by_jump, by_int3, opcodes, traps, faults;
static uintptr_t told_at, went_on_at;

static void take(struct world *world)
{
    memcpy(world->stack, native_stack, NATIVE_STACK_BYTES);
    memcpy(world->data, native_data, NATIVE_DATA_BYTES);
}

/* Runs from start at address; *end is how it ended. */
static void run(const struct world *start, uintptr_t address, struct world *end)
{
    memcpy(native_stack, start->stack, NATIVE_STACK_BYTES);
    memcpy(native_data, start->data, NATIVE_DATA_BYTES);
    end->regs = start->regs;
    end->regs.ip = address;
    native_run(&end->regs);
    end->signal = native_signal;
    take(end);
}

/* In the order of the kernel's: kernel/32/int3.c, kernel/traps.c, kernel/interrupts.c. */
static bool offer(int signal, struct tl_regs **regs)
{
    uintptr_t ip = (uintptr_t)(*regs)->ip;
    if (signal == SIGTRAP) {
        traps++;
        return tli_trap(regs, ip - 1) || tl_probe_int3(regs, ip - 1, 0);
    }
    if (signal == SIGILL && tli_trap(regs, ip)) {
        opcodes++;
        return true;
    }
    faults++;
    tl_probe_fault(*regs);
    return false;
}

/* ---- probes ---- */

static bool before(struct tl_probe *probe, struct tl_regs *regs)
{
    (void)probe;
    told_before++;
    told_at = (uintptr_t)regs->ip;
    return false;
}

static void after(struct tl_probe *probe, struct tl_regs *regs)
{
    (void)probe;
    told_after++;
    went_on_at = (uintptr_t)regs->ip;
}

static const struct kind {
    tl_probe_before *before;
    tl_probe_after *after;
    uint32_t flags;
} kinds[] = {
    {before, 0, TL_PROBE_NO_JUMP}, {before, after, 0}, {0, after, 0}, {before, 0, TL_PROBE_IP}, {before, 0, 0},
};

static void claim(const struct native_form *form, bool holds, const char *what)
{
    if (!holds)
        native_complain(form, what, 1, 0);
}

/* A detour uses the stack below the red zone: what the instruction has not written there is nobody's. */
static bool is_nobodys(const struct world *start, const struct world *bare, size_t i)
{
    uintptr_t used = (uintptr_t)start->regs.gpr[TL_REG_SP] - RED_ZONE_BYTES;
    return (uintptr_t)native_stack + i < used && bare->stack[i] == start->stack[i];
}

static void compare(const struct native_form *form, const struct world *start, const struct world *bare,
                    const struct world *probed, bool jump)
{
    native_compare(form, &bare->regs, &probed->regs);
    if (bare->signal != probed->signal)
        native_complain(form, "the signal", (uintptr_t)bare->signal, (uintptr_t)probed->signal);
    for (size_t i = 0; i < sizeof(bare->stack); i++)
        if (bare->stack[i] != probed->stack[i] && !(jump && is_nobodys(start, bare, i)))
            native_complain(form, "a byte of the stack", bare->stack[i], probed->stack[i]);
    for (size_t i = 0; i < sizeof(bare->data); i++)
        if (bare->data[i] != probed->data[i])
            native_complain(form, "a byte of the data", bare->data[i], probed->data[i]);
}

/* From one start, with a probe of kind at address. */
static void probed_once(const struct native_form *form, const struct kind *kind, uintptr_t address, unsigned state,
                        bool jump)
{
    static struct world end;
    bool fails = ends[state].signal != SIGTRAP && ends[state].regs.ip == address;
    told_before = told_after = 0;
    native_offered = offer;
    run(&starts[state], address, &end);
    native_offered = 0;
    native_cases++;
    compare(form, &starts[state], &ends[state], &end, jump);
    claim(form, told_before == (kind->before ? 1 : 0), "the handler before is called once; that");
    claim(form, told_after == (kind->after && !fails ? 1 : 0), "the handler after is called once; that");
    claim(form, !kind->before || told_at == address, "the handler before sees the instruction; that");
    claim(form, told_after == 0 || went_on_at == address + forms_first(form) || went_on_at == end.regs.ip,
          "the handler after sees where it goes on; that");
}

/* A function of the form and a nop, where nobody has been. */
static uintptr_t function_begin;
static size_t function_size;

static uintptr_t place(const struct native_form *form)
{
    static unsigned next = 0x1000;
    uintptr_t at = (uintptr_t)native_code + next + next / PLACE_BYTES % 8;
    next += 2 * PLACE_BYTES;
    claim(form, next < NATIVE_LANDING, "there is room in the code; that");
    memcpy((void *)at, form->bytes, form->size);
    memcpy((void *)(at + form->size), "\x0f\x1f\x44\0", PADDING);
    function_begin = at;
    function_size = form->size + PADDING;
    return at;
}

/* The form at address, from count starts, bare and under each kind of probe. */
static void probed(const struct native_form *form, uintptr_t address, unsigned count)
{
    uint8_t text[PLACE_BYTES];
    memcpy(text, (void *)address, sizeof(text));
    for (unsigned i = 0; i < count; i++)
        run(&starts[i], address, &ends[i]);
    for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        struct tl_probe probe = {.address = address, .before = kinds[k].before, .flags = kinds[k].flags};
        probe.after = kinds[k].after;
        enum tl_status status = tl_probe_register(&probe);
        if (status != TL_OK) {
            native_complain(form, "it cannot be probed, it", 0, status);
            return;
        }
        bool jump = tl_probe_how(&probe) == TL_PROBE_BY_JUMP;
        by_jump += jump;
        by_int3 += !jump;
        for (unsigned i = 0; i < count; i++)
            probed_once(form, &kinds[k], address, i, jump);
        claim(form, tl_probe_unregister(&probe) == TL_OK && probe.missed == 0, "it is told each time; that");
        claim(form, memcmp(text, (void *)address, sizeof(text)) == 0, "the text comes back; that");
    }
}

/* ---- starts ---- */

static void start_random(unsigned state, enum forms_want want)
{
    struct tl_regs *regs = &starts[state].regs;
    uintptr_t data = (uintptr_t)native_data, landing = (uintptr_t)native_code + NATIVE_LANDING;
    *regs = native_fresh_registers();
    /* of words: a detour has its registers there, as C objects */
    regs->gpr[TL_REG_SP] = native_fresh_stack(WORD * (native_random() & 7));
    if (want == FORMS_OPERANDS)
        for (unsigned i = 0; i < NATIVE_DATA_BYTES; i++)
            native_data[i] = (uint8_t)native_random();
    for (unsigned i = 0; i < TL_ARCH_GPRS; i++) {
        bool pointer = i == TL_REG_BX || i == TL_REG_SI || i == TL_REG_DI || i == TL_REG_BP;
        if (want == FORMS_MEMORY || (want == FORMS_OPERANDS && pointer))
            regs->gpr[i] = i == TL_REG_SP ? regs->gpr[i] : data + 0x400 + 0x80 * (i + state % 4);
        else if (want == FORMS_TARGETS)
            regs->gpr[i] = i == TL_REG_SP ? regs->gpr[i] : landing;
    }
    if (want == FORMS_OPERANDS) {
        regs->gpr[TL_REG_CX] = state % 8;
        regs->flags |= native_random() & 0xcd5;
    }
    take(&starts[state]);
}

static void instructions(void)
{
    size_t count;
    for (const struct forms_entry *entry = forms_all(&count); count; entry++, count--) {
        uintptr_t address = place(&entry->form);
        struct native_form form = forms_fix(entry, address);
        memcpy((void *)address, form.bytes, form.size);
        for (unsigned state = 0; state < 16; state++)
            start_random(state, entry->want);
        probed(&form, address, 16);
    }
}

static void conditions(void)
{
    static const unsigned bit[] = {0, 2, 4, 6, 7, 10, 11};
    for (unsigned cc = 0; cc < 32; cc++) {
        struct native_form near = NATIVE_FORM((uint8_t)(0x70 | (cc & 15)), 0x20);
        struct native_form far = NATIVE_FORM(0x0f, (uint8_t)(0x80 | (cc & 15)), 0x20, 0, 0, 0);
        for (unsigned state = 0; state < 128; state++) {
            start_random(state, FORMS_TARGETS);
            for (unsigned i = 0; i < 7; i++)
                starts[state].regs.flags |= (state >> i & 1u) << bit[i];
        }
        const struct native_form *form = cc < 16 ? &near : &far;
        probed(form, place(form), 128);
    }
}

static void loops(void)
{
    static const uint64_t counts[] = {0, 1, 2, 0xffff, 0x10000, 0x10001, 0xffffffff, 0x100000001u, ~(uint64_t)0};
    enum { COUNTS = sizeof(counts) / sizeof(counts[0]) };
    for (unsigned opcode = 0xe0; opcode <= 0xe3; opcode++)
        for (unsigned narrow = 0; narrow < 2; narrow++) {
            struct native_form form =
                narrow ? NATIVE_FORM(0x67, (uint8_t)opcode, 0x20) : NATIVE_FORM((uint8_t)opcode, 0x20);
            for (unsigned state = 0; state < 2 * COUNTS; state++) {
                start_random(state, FORMS_TARGETS);
                starts[state].regs.gpr[TL_REG_CX] = (uintptr_t)counts[state / 2];
                starts[state].regs.flags |= (state & 1u) << 6;
            }
            probed(&form, place(&form), 2 * COUNTS);
        }
}

/* call *%sp and jmp *%sp: the target is where sp pointed before the push. */
static void through_the_stack_pointer(void)
{
    for (unsigned op = 2; op <= 4; op += 2) {
        struct native_form form = NATIVE_FORM(0xff, (uint8_t)(0xc4 | op << 3));
        start_random(0, FORMS_TARGETS);
        starts[0].regs.gpr[TL_REG_SP] = (uintptr_t)native_data + 0x800;
        memset(starts[0].data, 0xcc, sizeof(starts[0].data));
        probed(&form, place(&form), 1);
    }
}

/* ---- faults ---- */

/* Nothing that these lead to is mapped, divisors are zero, and the process may do none of it: the fault is the
 * instruction's own, at its own address, and its probes wait for no end. */
static void faults_are_the_instructions_own(void)
{
    unsigned before_all = faults;
    size_t count;
    for (const struct forms_entry *entry = forms_faulting(&count); count; entry++, count--) {
        uintptr_t address = place(&entry->form);
        for (unsigned state = 0; state < 4; state++) {
            start_random(state, FORMS_OPERANDS);
            struct tl_regs *regs = &starts[state].regs;
            regs->gpr[TL_REG_BX] = regs->gpr[TL_REG_DI] = 0x10 + state;
            regs->gpr[TL_REG_SI] = (uintptr_t)native_data + NATIVE_DATA_BYTES - 3 * state;
            regs->gpr[TL_REG_CX] = 0;
            if (entry->want == FORMS_MEMORY) { /* runs for a while before it meets the end of the data */
                regs->gpr[TL_REG_DI] = (uintptr_t)native_data + NATIVE_DATA_BYTES - 5;
                regs->gpr[TL_REG_SI] = (uintptr_t)native_data;
                regs->gpr[TL_REG_CX] = 9;
                regs->flags &= ~(uintptr_t)0x400;
            }
        }
        probed(&entry->form, address, 4);
        claim(&entry->form, ends[0].signal != SIGTRAP, "it faults; that");
    }
    printf("%u faults\n", faults - before_all);
}

/* ---- jumps ---- */

/* Who comes to an instruction under the jump traps, by an int3 or by an opcode that is none, and runs it. */
static void instructions_under_a_jump_are_found(void)
{
    static struct world end;
    unsigned jumps = 0, branches = 0, traps_before = traps, opcodes_before = opcodes;
    size_t count;
    for (const struct forms_entry *entry = forms_sequences(&count); count; entry++, count--) {
        uintptr_t address = place(&entry->form);
        struct tl_probe probe = {.address = address, .before = before};
        start_random(0, FORMS_OPERANDS);
        for (unsigned i = 1; i < 5; i++)
            if (entry->starts >> i & 1)
                run(&starts[0], address + i, &ends[i]);
        claim(&entry->form, tl_probe_register(&probe) == TL_OK, "it can be probed; that");
        bool jump = tl_probe_how(&probe) == TL_PROBE_BY_JUMP;
        jumps += jump;
        native_offered = offer;
        told_before = 0;
        for (unsigned i = 1; i < 5; i++)
            if (entry->starts >> i & 1) {
                run(&starts[0], address + i, &end);
                compare(&entry->form, &starts[0], &ends[i], &end, jump);
                branches++;
            }
        native_offered = 0;
        claim(&entry->form, told_before == 0, "only the first instruction is probed; that");
        claim(&entry->form, tl_probe_unregister(&probe) == TL_OK, "the probe goes; that");
    }
    printf("%u jumps, %u branches under them: %u traps, %u invalid opcodes\n", jumps, branches, traps - traps_before,
           opcodes - opcodes_before);
    if (jumps == 0 || (TL_ARCH_GPRS == 16 && opcodes == opcodes_before)) {
        printf("not ok: nothing of that was tried\n");
        native_bad = 1;
    }
}

/* ---- refusals ---- */

static bool function_of(uintptr_t address, uintptr_t *begin, size_t *size)
{
    *begin = function_begin;
    *size = function_size;
    return address - function_begin < function_size;
}

static uintptr_t held; /* by a debugger */

static enum tl_status refuse(uintptr_t address, size_t size)
{
    return held && held - address < size ? TL_BUSY : TL_OK;
}

static void refused(uintptr_t address, enum tl_status wanted)
{
    static uint8_t code[NATIVE_CODE_BYTES];
    struct tl_probe probe = {.address = address, .before = before};
    memcpy(code, native_code, sizeof(code));
    enum tl_status status = tl_probe_register(&probe);
    if (status != wanted || memcmp(code, native_code, sizeof(code)) != 0) {
        printf("not ok: status %d instead of %d, or text has changed\n", status, wanted);
        native_bad = 1;
    }
}

static void what_cannot_be_probed_is_refused(void)
{
    size_t count;
    for (const struct native_form *form = forms_refused(&count); count; form++, count--)
        refused(place(form), TL_CANNOT_MOVE);
    uintptr_t at = place(&NATIVE_FORM(0x89, 0xc8, 0x89, 0xca));
    refused(at - 1, TL_NO_TEXT);
    refused(at + function_size, TL_NO_TEXT);
    refused(at + 1, TL_NO_START);
    port_trap_path = at + 3;
    refused(at + 2, TL_TRAP_PATH);
    refused(at + 3, TL_TRAP_PATH);
    port_trap_path = 0;
    held = at + 2;
    refused(at + 2, TL_BUSY);
    held = 0;
}

/* Last: what is full stays full. */
static void without_a_place_for_the_copy_it_is_refused(void)
{
    struct native_form form = NATIVE_FORM(0x89, 0xc8);
    struct tl_probe probe = {.before = before, .flags = TL_PROBE_NO_JUMP};
    enum tl_status status = TL_OK;
    uintptr_t stub;
    port_no_place = true;
    while (tli_place_near((uintptr_t)native_code, 4096, &stub) == TL_OK)
        ;
    for (unsigned i = 0; status == TL_OK && i < 100; i++) { /* the rest of the last slots */
        probe = (struct tl_probe){.address = place(&form), .before = before, .flags = TL_PROBE_NO_JUMP};
        status = tl_probe_register(&probe);
        claim(&form, status != TL_OK || tl_probe_unregister(&probe) == TL_OK, "the probe goes; that");
    }
    claim(&form, status == TL_NO_MEMORY && !probe.point, "no memory near enough refuses it; that");
    refused(function_begin, TL_NO_MEMORY);
    form = NATIVE_FORM(0x50); /* an emulated one needs none */
    probe = (struct tl_probe){.address = place(&form), .before = before, .flags = TL_PROBE_NO_JUMP};
    claim(&form, tl_probe_register(&probe) == TL_OK && tl_probe_unregister(&probe) == TL_OK, "it needs no place; that");
}

int main(void)
{
    static const struct tl_probe_text text = {function_of, refuse};
    alarm(100); /* a probe that waits for an end that never comes */
    port_open();
    native_begin();
    if (tl_probe_open(&text) != TL_OK)
        return 1;
    instructions();
    conditions();
    loops();
    through_the_stack_pointer();
    faults_are_the_instructions_own();
    instructions_under_a_jump_are_found();
    what_cannot_be_probed_is_refused();
    without_a_place_for_the_copy_it_is_refused();
    printf("%lu cases at %d bits; %u probes by jumps, %u by int3s\n", native_cases, TL_ARCH_MODE, by_jump, by_int3);
    return native_bad || by_jump == 0;
}
