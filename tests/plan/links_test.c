/* SPDX-License-Identifier: MIT
 *
 * Jumps that branches lead into, and what leads these branches past the int3.
 */
#include "program.h"
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

/* Behind the exit at 1: stands code that is branched to, and that no short jump can read as its displacement. */
#define CROWDED(branch, more)                                                                                          \
    FUNCTION("f", "mov $0x11223344,%eax\n" branch "cmp $0x2345678,%rdi\njne 1f\njmp 3f\n"                              \
                  "1: ret\n2: lea 0x11223380(%rbx),%rbx\n3: mov $1,%eax\nret\n" more)
#define EXIT 25 /* where 1: is with this branch */
#define BRANCH "cmp $0x1234567,%rdi\nje 2f\n"

static struct tl_module *plan_of(const char *source, const struct tl_plan_function **f)
{
    program_assemble("links", source);
    struct tl_module *module = program_plan("links");
    *f = program_function(module, "f");
    assert_non_null(*f);
    return module;
}

static unsigned links_of(const struct tl_module *module)
{
    unsigned count = 0;
    for (size_t i = 0; i < module->site_count; i++)
        count += module->sites[i].kind == TL_SITE_LINK;
    return count;
}

static void a_branch_behind_an_exit_is_linked(void **state)
{
    (void)state;
    const struct tl_plan_function *f;
    struct tl_module *module = plan_of(CROWDED(BRANCH, ""), &f);
    const struct tl_wire_site *site = program_site(module, f->address + EXIT);
    assert_non_null(site);
    assert_int_equal(site->address, f->address + EXIT);
    assert_int_equal(site->tactic, TL_TACTIC_JUMP);
    assert_int_equal(site->exits, 1);
    assert_int_equal(site->size, 8);
    const struct tl_wire_site *link = program_site(module, f->address + 12);
    assert_non_null(link);
    assert_int_equal(link->kind, TL_SITE_LINK);
    assert_int_equal(link->tactic, TL_TACTIC_JUMP);
    assert_int_equal(link->address, f->address + 5);
    assert_int_equal(link->size, 9);
    assert_int_equal(link->exits, 0);
    assert_int_equal(links_of(module), 1);
    assert_int_equal(f->exits, TL_EXITS_SITE);
    tl_module_close(module);
}

static void a_loop_that_begins_in_the_entry_is_linked(void **state)
{
    (void)state;
    const struct tl_plan_function *f;
    struct tl_module *module = plan_of(FUNCTION("f", "xor %eax,%eax\n1: add %edi,%eax\nmov $0x11223344,%ecx\n"
                                                     "dec %edi\nimul $3,%ecx,%ecx\njnz 1b\n"
                                                     "mov $0x55667788,%edx\nret\n"),
                                       &f);
    const struct tl_wire_site *entry = program_site(module, f->address);
    assert_int_equal(f->entry, TL_TACTIC_JUMP);
    assert_int_equal(entry->kind, TL_SITE_ENTRY);
    assert_int_equal(entry->size, 9);
    const struct tl_wire_site *link = program_site(module, f->address + 14);
    assert_non_null(link);
    assert_int_equal(link->kind, TL_SITE_LINK);
    assert_int_equal(link->address, f->address + 11);
    assert_int_equal(link->insns, 2);
    tl_module_close(module);
}

/* What does not come by a branch of the function cannot be led past the int3; nor can a branch without room: then
 * nothing changes. */
static void no_jump_where_somebody_would_trap(void **state)
{
    (void)state;
    const char *const sources[] = {
        CROWDED(BRANCH, "") FUNCTION("g", "lea 2b(%rip),%rax\nret\n"),
        CROWDED(BRANCH, "") ".data\n.quad 2b\n.text\n",
        CROWDED(BRANCH, "") FUNCTION("g", "mov $0x11223344,%eax\ncmp $0x1234567,%rdi\njmp 2b\n"),
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        const struct tl_plan_function *f;
        struct tl_module *module = plan_of(sources[i], &f);
        const struct tl_wire_site *site = program_site(module, f->address + EXIT);
        assert_non_null(site);
        assert_int_equal(site->tactic, TL_TACTIC_TRAP);
        assert_int_equal(links_of(module), 0);
        assert_int_equal(f->exits, TL_EXITS_TRAP);
        tl_module_close(module);
    }
}

static void what_was_begun_is_undone(void **state)
{
    (void)state;
    const struct tl_plan_function *f;
    /* 2: is branched to from a place with room, and from one without. */
    struct tl_module *module = plan_of(
        CROWDED(BRANCH "cmp $0x3456789,%rdi\nje 4f\n", "4: jmp 5f\n6: nop\n5: jrcxz 2b\nsyscall\njmp 6b\n"), &f);
    const struct tl_wire_site *site = program_site(module, f->address + EXIT + 9);
    assert_non_null(site);
    assert_int_equal(site->tactic, TL_TACTIC_TRAP);
    assert_int_equal(links_of(module), 0);
    assert_null(program_site(module, f->address + 5));
    tl_module_close(module);
}

/* The ways of asking for a tactic that rule jumps out rule these out. */
static void links_are_for_those_who_may_jump(void **state)
{
    (void)state;
    const struct tl_plan_function *f;
    struct tl_module *module = plan_of(CROWDED(BRANCH, ""), &f);
    const uint8_t forced[] = {TL_TACTIC_SHORT, TL_TACTIC_TRAP, TL_TACTIC_NONE};
    for (size_t i = 0; i < 3; i++) {
        struct tl_filter filter = {.force = forced[i]};
        tl_module_select(module, &filter);
        assert_true(tl_module_plan(module));
        assert_int_equal(links_of(module), i == 2);
    }
    tl_module_close(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_branch_behind_an_exit_is_linked),
        cmocka_unit_test(a_loop_that_begins_in_the_entry_is_linked),
        cmocka_unit_test(no_jump_where_somebody_would_trap),
        cmocka_unit_test(what_was_begun_is_undone),
        cmocka_unit_test(links_are_for_those_who_may_jump),
    };
    return cmocka_run_group_tests(tests, program_folder_make, program_folder_remove);
}
