/* SPDX-License-Identifier: MIT
 *
 * A file planned by several threads has the plan that one thread makes, also where what one of them walks concerns
 * another. On one processor there is one thread, and these tests only show that they run.
 */
#include "program.h"
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* after the above, as it wants */
#include <cmocka.h>

#define FUNCTION(name, body)                                                                                           \
    "        .globl " name "\n        .type " name ", @function\n" name ":\n" body "        .size " name ", . - " name \
    "\n        .p2align 4\n"
/* 1.2 MB in the middle: the first and the last function are never in one share. */
#define FILLERS                                                                                                        \
    "        .altmacro\n        .macro filler n\n        .type filler\\n, @function\nfiller\\n:\n"                     \
    "        .rept 200\n        mov $0x12345,%eax\n        .endr\n        ret\n        .size filler\\n, . - filler\\n" \
    "\n        .endm\n        .set i, 0\n        .rept 1200\n        filler %i\n        .set i, i + 1\n        "       \
    ".endr\n"

static struct tl_module *plan_with(const char *name, unsigned processors)
{
    cpu_set_t all, few;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&few);
    for (unsigned i = 0, taken = 0; i < CPU_SETSIZE && taken < processors; i++)
        if (CPU_ISSET(i, &all)) {
            CPU_SET(i, &few);
            taken++;
        }
    assert_int_equal(sched_setaffinity(0, sizeof few, &few), 0);
    struct tl_module *module = program_plan(name);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    return module;
}

static void expect_same(const struct tl_module *one, const struct tl_module *many)
{
    assert_int_equal(one->function_count, many->function_count);
    assert_int_equal(one->site_count, many->site_count);
    for (size_t i = 0; i < one->function_count; i++) {
        const struct tl_plan_function *a = &one->functions[i], *b = &many->functions[i];
        assert_int_equal(a->address, b->address);
        assert_int_equal(a->entry, b->entry);
        assert_int_equal(a->exits, b->exits);
        assert_string_equal(a->why, b->why);
    }
    assert_memory_equal(one->sites, many->sites, one->site_count * sizeof *one->sites);
}

static void a_cold_part_between_two_shares_is_seen_by_both(void **state)
{
    (void)state;
    program_assemble("far", FUNCTION("first", "test %edi,%edi\nje shared.cold\nmov $1,%eax\nret\n")
                                FILLERS FUNCTION("last", "test %edi,%edi\njne shared.cold\nmov $2,%eax\nret\n")
                                    FUNCTION("own", "test %edi,%edi\njne own.cold\nmov $2,%eax\nret\n")
                                        FUNCTION("own.cold", "mov $4,%eax\nadd %edi,%eax\nret\n")
                                            FUNCTION("shared.cold", "mov $3,%eax\nadd %edi,%eax\nret\n"));
    struct tl_module *one = plan_with("far", 1), *many = plan_with("far", 8);
    const char *const touched[] = {"first", "last"};
    for (int i = 0; i < 2; i++) {
        const struct tl_plan_function *f = program_function(many, touched[i]);
        assert_non_null(f);
        assert_string_equal(f->why, "shares a cold part with another function");
    }
    const struct tl_plan_function *own = program_function(many, "own");
    assert_non_null(own);
    assert_string_equal(own->why, "");
    assert_int_equal(own->exits, TL_EXITS_SITE);
    expect_same(one, many);
    tl_module_close(one);
    tl_module_close(many);
}

static void a_real_library_has_one_plan(void **state)
{
    (void)state;
    program_run("cp \"$(ldd /bin/sh | sed -n 's,.*=> \\(/.*libc[^ ]*\\) .*,\\1,p')\" libc");
    struct tl_module *one = plan_with("libc", 1), *many = plan_with("libc", 8);
    expect_same(one, many);
    tl_module_close(one);
    tl_module_close(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cold_part_between_two_shares_is_seen_by_both),
        cmocka_unit_test(a_real_library_has_one_plan),
    };
    return cmocka_run_group_tests(tests, program_folder_make, program_folder_remove);
}
