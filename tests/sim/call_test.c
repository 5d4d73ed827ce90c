/* SPDX-License-Identifier: MIT
 *
 * The public door of the poke under every interleaving of one writer and two cores: nop -> call A -> call B -> nop, and
 * its like. The writer, the site table and the trap are the engine's; here are cores that call through one place and
 * must find, each time, one of the things that were promised to stand there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <core/poke.h>
#include <core/trap.h>
#include <port/sim/sim.h>
#include <regs.h>
#include <trapline/poke.h>

#define INT3 0xcc
#define KINDS 4
#define STEPS_MAX 6
#define EXECUTIONS_MAX 3000000
#define TARGET_A (TL_SIM_TEXT + 0x20000)
#define TARGET_B (TL_SIM_TEXT + 0x30000)
#define STACK_WORDS 8

/* What happens at the place: kind 0 stands there at first; then step after step another one. */
static struct plan {
    uintptr_t address;
    uint8_t size;
    unsigned cores, passes, steps;
    struct tl_poke kind[KINDS];
    uint8_t step[STEPS_MAX]; /* kinds */
} plan;

static struct core {
    uintptr_t ip;
    unsigned pass, begun; /* calls */
    unsigned allowed;     /* bit k: kind k may be what this call finds */
    uint64_t handler;     /* in the handler: the writer's progress when it was entered, plus 1 */
    bool under_way, trapped;
} cores[TL_SIM_CORES];

static unsigned before_kind, after_kind; /* a poke's; equal: no poke */
static uint64_t narrow_from;             /* serialisations, from which on only the new kind is found */
static unsigned found[KINDS], calls;

static unsigned promise(void)
{
    unsigned now = 1u << after_kind;
    return tli_poke_count.serialisations >= narrow_from ? now : now | 1u << before_kind;
}

static void promise_next(unsigned kind)
{
    before_kind = after_kind;
    after_kind = kind;
    narrow_from = tli_poke_count.serialisations + 1;
    for (unsigned i = 0; i < plan.cores; i++)
        cores[i].allowed |= promise();
}

static void writer(void)
{
    for (unsigned i = 0; i < plan.steps; i++) {
        struct tl_poke poke = plan.kind[plan.step[i]];
        size_t culprit;
        if (poke.what == TL_POKE_INT3)
            memcpy(poke.expected, plan.kind[0].expected, sizeof(poke.expected));
        else
            (void)tl_poke_encode(poke.expected, &plan.kind[after_kind]);
        promise_next(plan.step[i]);
        if (tl_poke(&poke, 1, &culprit) != TL_OK)
            tl_sim_fail("the poke is refused");
    }
}

static void finish(struct core *core, unsigned kind)
{
    if (!(core->allowed >> kind & 1))
        tl_sim_fail(kind == 0 ? "EXACT: a call is lost" : "EXACT: an old call, or one that is not there yet");
    found[kind]++;
    core->under_way = false;
}

/* Which kind leads there, with the return address pushed or not. */
static void arrive(struct core *core, uintptr_t ip, bool pushed)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        const struct tl_poke *poke = &plan.kind[kind];
        bool nop = poke->what == TL_POKE_NOP && poke->size != 0;
        uintptr_t there = nop ? plan.address + plan.size : poke->target;
        if (poke->size == plan.size && ip == there && pushed == (poke->what == TL_POKE_CALL)) {
            finish(core, kind);
            return;
        }
    }
    tl_sim_fail("TORN: nowhere");
    core->under_way = false;
}

static void trap(struct core *core)
{
    uintptr_t stack[STACK_WORDS] = {0};
    struct tl_regs regs = {.ip = core->ip + 1}, *where = &regs;
    regs.gpr[TL_REG_SP] = (uintptr_t)&stack[STACK_WORDS / 2];
    core->trapped = true;
    tl_sim_stop("trap is delivered", core->ip, 0);
    core->handler = tl_sim_progress(0) + 1;
    bool mine = tli_trap(&where, core->ip);
    core->handler = 0;
    core->trapped = false;
    if (!mine) { /* whoever is next in order: the int3 is one that stays; it goes on behind the nop */
        unsigned kind = plan.kind[1].what == TL_POKE_INT3 ? 1 : 0;
        if (kind == 0)
            tl_sim_fail("OURS: a trap of ours is declined");
        finish(core, kind);
        return;
    }
    if (where->ip == core->ip)
        return; /* late: once more */
    bool pushed = where->gpr[TL_REG_SP] == (uintptr_t)&stack[STACK_WORDS / 2 - 1];
    if (pushed ? stack[STACK_WORDS / 2 - 1] != plan.address + plan.size
               : where->gpr[TL_REG_SP] != (uintptr_t)&stack[STACK_WORDS / 2])
        tl_sim_fail("the stack is not as after a call");
    for (unsigned i = 0; i < STACK_WORDS; i++)
        if (stack[i] != 0 && i != STACK_WORDS / 2 - 1)
            tl_sim_fail("another word of the stack is written");
    arrive(core, where->ip, pushed);
}

/* The bytes as this core sees them must be those of one kind. */
static void execute(struct core *core, unsigned number)
{
    uint8_t bytes[TL_POKE_MAX_BYTES], wanted[TL_POKE_MAX_BYTES];
    bytes[0] = tl_sim_fetch(number, core->ip);
    if (bytes[0] == INT3) {
        trap(core);
        return;
    }
    for (unsigned i = 1; i < plan.size; i++)
        bytes[i] = tl_sim_fetch(number, core->ip + i);
    for (unsigned kind = 0; kind < KINDS; kind++) {
        const struct tl_poke *poke = &plan.kind[kind];
        if (poke->size == plan.size && tl_poke_encode(wanted, poke) == TL_OK && memcmp(bytes, wanted, plan.size) == 0) {
            finish(core, kind);
            return;
        }
    }
    tl_sim_fail("TORN: a mix of bytes");
    core->under_way = false;
}

static void call(void)
{
    unsigned number = tl_sim_task() - 1;
    struct core *core = &cores[number];
    for (core->pass = 0; core->pass < plan.passes; core->pass++) {
        core->begun++;
        tl_sim_stop("begins", 0, core->pass);
        core->allowed = promise();
        core->under_way = true;
        core->ip = plan.address;
        while (core->under_way && !tl_sim_failed()) {
            tl_sim_stop("at", core->ip, 0);
            execute(core, number);
        }
    }
}

static void before(void)
{
    uint8_t bytes[TL_POKE_MAX_BYTES];
    (void)tl_poke_encode(bytes, &plan.kind[0]);
    tl_sim_text_set(plan.address, bytes, plan.size);
    memset(cores, 0, sizeof(cores));
    memset(found, 0, sizeof(found));
    before_kind = after_kind = 0;
    narrow_from = 0;
}

static void after(void)
{
    uint8_t bytes[TL_POKE_MAX_BYTES], wanted[TL_POKE_MAX_BYTES];
    unsigned sum = 0;
    for (unsigned kind = 0; kind < KINDS; kind++)
        sum += found[kind];
    calls = sum;
    if (!tl_sim_failed() && sum != plan.cores * plan.passes)
        tl_sim_fail("calls are not all accounted for");
    (void)tl_poke_encode(wanted, &plan.kind[0]);
    tl_sim_text_get(plan.address, bytes, plan.size);
    if (memcmp(bytes, wanted, plan.size) != 0)
        tl_sim_fail("REVERSIBLE: a byte is not back");
}

static uint64_t state(void)
{
    uint64_t hash = tl_sim_mix(tl_sim_text_state(), tl_sim_progress(0));
    hash = tl_sim_mix(hash, promise());
    for (unsigned i = 0; i < plan.cores; i++) {
        hash = tl_sim_mix(hash, cores[i].handler);
        hash = tl_sim_mix(hash, (uint64_t)cores[i].pass << 24 | (uint64_t)cores[i].begun << 16 |
                                    (uint64_t)cores[i].allowed << 8 | (uint64_t)cores[i].under_way << 1 |
                                    cores[i].trapped);
    }
    return hash;
}

static struct tl_sim_run run_of(void)
{
    struct tl_sim_run run = {.before = before, .task = {writer}, .after = after, .state = state};
    before();
    writer(); /* once without a search: the first time a site is made */
    for (unsigned core = 0; core < plan.cores; core++)
        run.task[1 + core] = call;
    return run;
}

static void every(unsigned passes)
{
    plan.cores = 2;
    plan.passes = passes;
    struct tl_sim_run run = run_of();
    struct tl_sim_result result = tl_sim_every(&run, EXECUTIONS_MAX);
    if (result.failure)
        fail_msg("%s", result.failure);
    if (getenv("SIM_VERBOSE"))
        print_message("  %lu executions, %lu states\n", (unsigned long)result.executions, (unsigned long)result.states);
}

/* Each plan has an address of its own: the sites of the plan before stay in the table. */
static void plan_at(uint8_t size)
{
    static uintptr_t next = TL_SIM_TEXT + 0x3e; /* over the end of a cache line */
    memset(&plan, 0, sizeof(plan));
    plan.address = next;
    next += 0x40;
    plan.size = size;
    plan.kind[0] = (struct tl_poke){.address = plan.address, .what = TL_POKE_NOP, .size = size};
}

static void kind(unsigned number, unsigned what, uintptr_t target)
{
    plan.kind[number] =
        (struct tl_poke){.address = plan.address, .target = target, .what = (uint8_t)what, .size = plan.size};
}

static void steps(unsigned count, const uint8_t *step)
{
    plan.steps = count;
    memcpy(plan.step, step, count);
}

#define STEPS(...) steps(sizeof((const uint8_t[]){__VA_ARGS__}), (const uint8_t[]){__VA_ARGS__})

static void no_call_is_lost_from_nop_to_a_to_b_to_nop(void **context)
{
    (void)context;
    plan_at(5);
    kind(1, TL_POKE_CALL, TARGET_A);
    kind(2, TL_POKE_CALL, TARGET_B);
    STEPS(1, 2, 0);
    every(1);
}

static void no_call_is_lost_between_two_calls_of_a_core(void **context)
{
    (void)context;
    plan_at(5);
    kind(1, TL_POKE_CALL, TARGET_A);
    kind(2, TL_POKE_CALL, TARGET_B);
    STEPS(1, 2, 0);
    plan.cores = 1;
    plan.passes = 3;
    struct tl_sim_run run = run_of();
    struct tl_sim_result result = tl_sim_every(&run, EXECUTIONS_MAX);
    if (result.failure)
        fail_msg("%s", result.failure);
    assert_int_equal(calls, 3);
}

static void a_late_trap_finds_what_stands_there_now(void **context)
{
    (void)context;
    plan_at(5);
    kind(1, TL_POKE_CALL, TARGET_A);
    kind(2, TL_POKE_CALL, TARGET_B);
    STEPS(1, 0, 2, 0);
    every(1);
}

static void a_call_becomes_a_jump_and_never_half_of_each(void **context)
{
    (void)context;
    plan_at(5);
    kind(1, TL_POKE_CALL, TARGET_A);
    kind(2, TL_POKE_JMP, TARGET_B);
    STEPS(1, 2, 1, 0);
    every(1);
}

static void short_jumps_come_and_go(void **context)
{
    (void)context;
    plan_at(2);
    kind(1, TL_POKE_JMP, plan.address + 0x22);
    STEPS(1, 0, 1, 0);
    every(1);
}

/* More cores and more rounds than can be gone through. */
static void random_schedules_lose_no_call(void **context)
{
    (void)context;
    plan_at(5);
    kind(1, TL_POKE_CALL, TARGET_A);
    kind(2, TL_POKE_CALL, TARGET_B);
    kind(3, TL_POKE_JMP, TARGET_A);
    STEPS(1, 2, 3, 1, 2, 0);
    plan.cores = TL_SIM_CORES;
    plan.passes = 6;
    struct tl_sim_run run = run_of();
    struct tl_sim_result result = tl_sim_random(&run, 1, 3000);
    if (result.failure)
        fail_msg("%s", result.failure);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_call_is_lost_from_nop_to_a_to_b_to_nop),
        cmocka_unit_test(no_call_is_lost_between_two_calls_of_a_core),
        cmocka_unit_test(a_late_trap_finds_what_stands_there_now),
        cmocka_unit_test(a_call_becomes_a_jump_and_never_half_of_each),
        cmocka_unit_test(short_jumps_come_and_go),
        cmocka_unit_test(random_schedules_lose_no_call),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
