/* SPDX-License-Identifier: MIT
 *
 * -f and -x: what a pattern means, and what is near to one that means nothing; names as people write them.
 */
#include "program.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* after the above, as it wants */
#include <cmocka.h>

static const char source[] = "int compress_frame(void) { return 1; }\n"
                             "int compress_block(void) { return 2; }\n"
                             "int decompress(void) { return 3; }\n"
                             "int method(int x) __asm__(\"_ZN3net6Server5startEi\");\n"
                             "int method(int x) { return x; }\n"
                             "int main(void) { return 0; }\n";

static struct tl_module *module;

static int open_module(void **state)
{
    if (program_folder_make(state) != 0)
        return -1;
    program_build("zpress", "-O1", source);
    module = program_plan("zpress");
    return 0;
}

static int close_module(void **state)
{
    tl_module_close(module);
    return program_folder_remove(state);
}

static size_t select_by(const char *include, const char *exclude)
{
    struct tl_filter filter = {&include, include != NULL, &exclude, exclude != NULL, 0};
    return tl_module_select(module, &filter);
}

static void globs_match_names(void **state)
{
    (void)state;
    assert_int_equal(select_by("compress*", NULL), 2);
    assert_int_equal(select_by("*compress*", NULL), 3);
    assert_int_equal(select_by("compress", NULL), 0);
    assert_int_equal(select_by(NULL, NULL), module->function_count);
    assert_int_equal(select_by("main", NULL), 1);
    assert_true(program_function(module, "main")->selected);
}

static void exclude_wins(void **state)
{
    (void)state;
    assert_int_equal(select_by("compress*", "*block"), 1);
    assert_int_equal(select_by("main", "*"), 0);
}

static void a_module_may_stand_in_front(void **state)
{
    (void)state;
    assert_int_equal(select_by("zpress:main", NULL), 1);
    assert_int_equal(select_by("z*:main", NULL), 1);
    assert_int_equal(select_by("libc.so.6:main", NULL), 0);
}

static void demangled_names_match_with_and_without_arguments(void **state)
{
    (void)state;
    assert_int_equal(select_by("net::Server::start", NULL), 1);
    assert_int_equal(select_by("net::Server::start(int)", NULL), 1);
    assert_int_equal(select_by("net::*", NULL), 1);
    assert_int_equal(select_by("_ZN3net*", NULL), 1);
    assert_int_equal(select_by("zpress:net::Server::*", NULL), 1);
}

static void the_plan_follows_the_selection(void **state)
{
    (void)state;
    select_by("compress_frame", NULL);
    assert_true(tl_module_plan(module));
    assert_int_equal(module->site_count, program_function(module, "compress_frame")->site_count);
    assert_int_equal(program_function(module, "main")->site_count, 0);
    select_by(NULL, NULL);
    assert_true(tl_module_plan(module));
    assert_true(program_function(module, "main")->site_count > 0);
}

static void the_nearest_come_first(void **state)
{
    const char *names[3];
    (void)state;
    assert_int_equal(tl_module_nearest(module, "compres_frame", names, 3), 3);
    assert_string_equal(names[0], "compress_frame");
    assert_int_equal(tl_module_nearest(module, "compresx*", names, 2), 2);
    assert_string_equal(names[0], "compress_block");
    assert_string_equal(names[1], "compress_frame");
}

static void names_are_demangled(void **state)
{
    const char *const pairs[][2] = {{"_ZN3net6Server5startEi", "net::Server::start(int)"},
                                    {"_RNvC5crate4main", "crate::main"},
                                    {"_ZN5alloc3foo17h0123456789abcdefE", "alloc::foo"},
                                    {"main", "main"},
                                    {"_Zgarbage", "_Zgarbage"}};
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char *name = tl_demangle(pairs[i][0]);
        assert_string_equal(name, pairs[i][1]);
        free(name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(globs_match_names),
        cmocka_unit_test(exclude_wins),
        cmocka_unit_test(a_module_may_stand_in_front),
        cmocka_unit_test(demangled_names_match_with_and_without_arguments),
        cmocka_unit_test(the_plan_follows_the_selection),
        cmocka_unit_test(the_nearest_come_first),
        cmocka_unit_test(names_are_demangled),
    };
    return cmocka_run_group_tests(tests, open_module, close_module);
}
