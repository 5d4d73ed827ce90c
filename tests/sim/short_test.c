/* SPDX-License-Identifier: MIT
 *
 * Short jumps, of one to four bytes, whose displacement goes on in text that stays: every interleaving of one writer
 * and two cores, as in poke_test.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tests/sim/world.h>

#define EXECUTIONS_MAX 3000000

static const struct world_window shapes[] = {
    {.count = 1, .length = {1}, .inner = 0xcc},    {.count = 1, .length = {2}, .inner = 0xcc},
    {.count = 2, .length = {1, 1}, .inner = 0x06}, {.count = 2, .length = {1, 2}, .inner = 0xcc},
    {.count = 2, .length = {3, 1}, .inner = 0x06}, {.count = 3, .length = {1, 2, 1}, .inner = 0xcc},
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static void every(size_t shape, const enum world_step *step, size_t steps)
{
    for (uint8_t begin = 0; begin < shapes[shape].count; begin++) {
        memset(&world, 0, sizeof(world));
        world.windows = 1;
        world.window[0] = shapes[shape];
        world.window[0].address = TL_SIM_TEXT + 0x3e;
        memcpy(world.step, step, steps * sizeof(*step));
        world.cores = 2;
        world.passes[0] = world.passes[1] = 1;
        world.begin[1][0] = begin; /* one calls, the other calls or stands inside */
        struct tl_sim_run run = world_run();
        struct tl_sim_result result = tl_sim_every(&run, EXECUTIONS_MAX);
        if (result.failure)
            fail_msg("%s", result.failure);
    }
}

static void a_short_jump_is_never_seen_torn(void **context)
{
    (void)context;
    for (size_t i = 0; i < SHAPES; i++)
        every(i, (const enum world_step[]){WORLD_ARM, WORLD_DISARM}, 2);
}

static void a_late_trap_survives_the_next_arming_of_a_short_jump(void **context)
{
    (void)context;
    every(3, (const enum world_step[]){WORLD_ARM, WORLD_DISARM, WORLD_ARM}, 3);
    every(3, (const enum world_step[]){WORLD_ARM, WORLD_DISARM, WORLD_ARM_AGAIN}, 3);
}

static void a_late_trap_survives_an_int3_in_place_of_a_short_jump(void **context)
{
    (void)context;
    every(3, (const enum world_step[]){WORLD_ARM, WORLD_DISARM, WORLD_ARM_TRAPS}, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_jump_is_never_seen_torn),
        cmocka_unit_test(a_late_trap_survives_the_next_arming_of_a_short_jump),
        cmocka_unit_test(a_late_trap_survives_an_int3_in_place_of_a_short_jump),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
