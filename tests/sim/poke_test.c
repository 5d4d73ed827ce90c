/* SPDX-License-Identifier: MIT
 *
 * The poke protocol as the engine's real code carries it out: every interleaving of one writer and two cores at each
 * port call, each core's stale bytes in every combination, then random schedules of more. The model (model/) is finer
 * than a port call and knows nothing of the code; this is the other way round.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <core/trap.h>
#include <regs.h>
#include <tests/sim/world.h>
#include <trapline/port.h>

#define EXECUTIONS_MAX 3000000

static const struct world_window shapes[] = {
    {.count = 1, .length = {5}, .inner = 0xcc},          {.count = 2, .length = {1, 4}, .inner = 0xcc},
    {.count = 2, .length = {4, 3}, .inner = 0xcc},       {.count = 3, .length = {1, 2, 2}, .inner = 0xcc},
    {.count = 4, .length = {1, 1, 1, 4}, .inner = 0xcc},
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static void plan_one(const struct world_window *shape, const enum world_step *step, size_t steps)
{
    memset(&world, 0, sizeof(world));
    world.windows = 1;
    world.window[0] = *shape;
    world.window[0].address = TL_SIM_TEXT + 0x3e; /* over the end of a cache line */
    memcpy(world.step, step, steps * sizeof(*step));
}

static void every(void)
{
    struct tl_sim_run run = world_run();
    struct tl_sim_result result = tl_sim_every(&run, EXECUTIONS_MAX);
    if (result.failure)
        fail_msg("%s", result.failure);
    if (getenv("SIM_VERBOSE"))
        print_message("  %lu executions, %lu states\n", (unsigned long)result.executions, (unsigned long)result.states);
}

static void every_pair(unsigned a, unsigned b)
{
    world.cores = 2;
    world.passes[0] = world.passes[1] = 1;
    world.begin[0][0] = (uint8_t)a;
    world.begin[1][0] = (uint8_t)b;
    every();
}

/* Two cores: both call, or one stands within the window, at each instruction once. */
static void every_two_cores(void)
{
    unsigned count = world.window[0].count;
    every_pair(0, 0);
    for (unsigned a = 0; a + 1 < count; a++)
        every_pair(a, a + 1);
}

#define PLAN(shape, ...)                                                                                               \
    plan_one(shape, (const enum world_step[]){__VA_ARGS__},                                                            \
             sizeof((const enum world_step[]){__VA_ARGS__}) / sizeof(enum world_step))

static void poke_never_shows_a_torn_site(void **context)
{
    (void)context;
    for (size_t i = 0; i < SHAPES; i++) {
        PLAN(&shapes[i], WORLD_ARM, WORLD_DISARM);
        every_two_cores();
    }
}

static void poke_never_shows_a_torn_site_with_invalid_opcodes(void **context)
{
    (void)context;
    for (size_t i = 1; i < SHAPES; i++) {
        struct world_window shape = shapes[i];
        shape.inner = 0x06;
        PLAN(&shape, WORLD_ARM, WORLD_DISARM);
        every_two_cores();
    }
}

static void an_int3_that_stays_counts_every_call(void **context)
{
    (void)context;
    PLAN(&shapes[3], WORLD_ARM_TRAPS, WORLD_DISARM);
    every_two_cores();
}

static void a_late_trap_survives_the_next_arming(void **context)
{
    (void)context;
    PLAN(&shapes[1], WORLD_ARM, WORLD_DISARM, WORLD_ARM);
    every_two_cores();
    PLAN(&shapes[1], WORLD_ARM, WORLD_DISARM, WORLD_ARM_AGAIN);
    every_two_cores();
}

static void a_late_trap_survives_another_shape_of_its_site(void **context)
{
    (void)context;
    PLAN(&shapes[1], WORLD_ARM, WORLD_DISARM, WORLD_ARM_TRAPS);
    every_two_cores();
}

static void the_applications_int3_is_passed_on_where_a_site_was(void **context)
{
    (void)context;
    PLAN(&shapes[3], WORLD_ARM, WORLD_DISARM, WORLD_APPLICATION);
    every_two_cores();
}

static void a_refused_batch_changes_nothing(void **context)
{
    (void)context;
    uint8_t byte;
    PLAN(&shapes[4], WORLD_REFUSED);
    world.windows = 2;
    world.window[1] = shapes[0];
    world.window[1].address = TL_SIM_TEXT + 0x60;
    every();
    for (unsigned offset = 0; offset < 5; offset++) {
        tl_sim_text_get(world.window[0].address + offset, &byte, 1);
        assert_int_equal(byte, world_old_byte(&world.window[0], offset));
    }
}

/* Two sites in one batch, on two pages: the calls of both are exact. */
static void a_batch_over_two_pages_is_exact(void **context)
{
    (void)context;
    PLAN(&shapes[1], WORLD_ARM, WORLD_DISARM);
    world.windows = 2;
    world.window[0].address = TL_SIM_TEXT + 0xffb;
    world.window[1] = shapes[2];
    world.window[1].address = TL_SIM_TEXT + 0x1004;
    world.cores = 1;
    world.passes[0] = 1;
    every();
}

/* The second window's library is closed under the poke. */
static void unmap_last(void)
{
    uint64_t before = tli_poke_count.serialisations;
    while (tli_poke_count.serialisations == before)
        tl_port_relax();
    tl_sim_stop("unmap", world.window[1].address, 0);
    tl_sim_text_map(world.window[1].address, 16, false);
}

static void a_mapping_that_goes_away_leaves_the_others_armed(void **context)
{
    (void)context;
    PLAN(&shapes[3], WORLD_ARM);
    world.windows = 2;
    world.window[1] = shapes[0];
    world.window[1].address = world.window[0].address + 32;
    struct tl_sim_run run = world_run();
    run.task[1] = unmap_last;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        uint8_t found[TLI_SITE_BYTES];
        assert_null(tl_sim_random(&run, seed, 1).failure);
        tl_sim_text_get(world.window[0].address, found, sizeof(found));
        assert_memory_equal(found, world_site(0)->new_bytes, sizeof(found));
    }
    tl_sim_text_map(world.window[1].address, 16, true);
}

static void a_batch_costs_three_serialisations(void **context)
{
    (void)context;
    PLAN(&shapes[0], WORLD_ARM);
    world.windows = WORLD_SITES;
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        world.window[i] = shapes[i % SHAPES];
        world.window[i].address = TL_SIM_TEXT + 0x7f0 * (i + 1);
    }
    struct tl_sim_run run = world_run();
    uint64_t serialisations = tli_poke_count.serialisations, batches = tli_poke_count.batches;
    assert_null(tl_sim_random(&run, 1, 1).failure);
    assert_int_equal(tli_poke_count.serialisations - serialisations, 3);
    assert_int_equal(tli_poke_count.batches - batches, 1);
}

static void a_trap_outside_all_sites_is_not_ours(void **context)
{
    (void)context;
    const uint8_t code[2] = {0xcd, 0x03};
    struct tl_regs regs = {.ip = TL_SIM_TEXT + 0x2002}, *where = &regs;
    tl_sim_text_set(TL_SIM_TEXT + 0x2000, code, sizeof(code));
    assert_false(tli_trap(&where, TL_SIM_TEXT + 0x2001));
    assert_int_equal(where->ip, TL_SIM_TEXT + 0x2002);
}

/* More cores, more sites, more calls than can be gone through. */
static void random_schedules(void)
{
    const char *seconds = getenv("SIM_EXECUTIONS"), *seed = getenv("SIM_SEED");
    uint64_t executions = seconds ? strtoull(seconds, 0, 0) : 3000;
    PLAN(&shapes[3], WORLD_ARM, WORLD_DISARM, WORLD_ARM_AGAIN, WORLD_DISARM, WORLD_ARM, WORLD_DISARM);
    world.windows = 4;
    for (unsigned i = 0; i < world.windows; i++) {
        world.window[i] = shapes[i + 1];
        world.window[i].address = TL_SIM_TEXT + 0xff0 + 9 * i;
    }
    world.cores = TL_SIM_CORES;
    for (unsigned core = 0; core < world.cores; core++) {
        world.passes[core] = WORLD_PASSES;
        for (unsigned pass = 0; pass < WORLD_PASSES; pass++)
            world.begin[core][pass] = (uint8_t)((core + pass) % 3 == 2 ? 1 : 0);
    }
    struct tl_sim_run run = world_run();
    struct tl_sim_result result = tl_sim_random(&run, seed ? strtoull(seed, 0, 0) : 1, executions);
    if (result.failure)
        fail_msg("%s", result.failure);
}

static void random_schedules_keep_every_claim(void **context)
{
    (void)context;
    random_schedules();
}

static void random_schedules_keep_every_claim_page_by_page(void **context)
{
    (void)context;
    tl_sim_text_alone(true);
    random_schedules();
    tl_sim_text_alone(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poke_never_shows_a_torn_site),
        cmocka_unit_test(poke_never_shows_a_torn_site_with_invalid_opcodes),
        cmocka_unit_test(an_int3_that_stays_counts_every_call),
        cmocka_unit_test(a_late_trap_survives_the_next_arming),
        cmocka_unit_test(a_late_trap_survives_another_shape_of_its_site),
        cmocka_unit_test(the_applications_int3_is_passed_on_where_a_site_was),
        cmocka_unit_test(a_refused_batch_changes_nothing),
        cmocka_unit_test(a_batch_over_two_pages_is_exact),
        cmocka_unit_test(a_mapping_that_goes_away_leaves_the_others_armed),
        cmocka_unit_test(a_batch_costs_three_serialisations),
        cmocka_unit_test(a_trap_outside_all_sites_is_not_ours),
        cmocka_unit_test(random_schedules_keep_every_claim),
        cmocka_unit_test(random_schedules_keep_every_claim_page_by_page),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
