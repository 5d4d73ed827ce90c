/* SPDX-License-Identifier: MIT
 *
 * What is done where a jump has no room: short jumps, a second int3 behind a jump, jumps that branches lead into;
 * sleds; and tactics that are asked for by name.
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

static const struct tl_plan_function *get(const struct tl_module *module, const char *name)
{
    const struct tl_plan_function *f = program_function(module, name);
    assert_non_null(f);
    return f;
}

/* The exit at 1: has two bytes, and code behind it that nobody else patches. */
#define TIGHT(bytes)                                                                                                   \
    FUNCTION("f", "push %rbx\nmov %rdi,%rbx\ncall g\njmp 1f\n1: pop %rbx\nret\n2: " bytes "\njmp 1b\n")                \
    FUNCTION("g", "mov %edi,%eax\ntest %eax,%eax\nje 2b\nret\n")

static void an_exit_without_room_is_a_short_jump(void **state)
{
    (void)state;
    program_assemble("tight", TIGHT("lea 1(%rdx),%rcx"));
    struct tl_module *module = program_plan("tight");
    const struct tl_plan_function *f = get(module, "f");
    const struct tl_wire_site *site = program_site(module, f->address + 11);
    assert_non_null(site);
    assert_int_equal(site->tactic, TL_TACTIC_SHORT);
    assert_int_equal(site->size, 2);
    assert_int_equal(site->insns, 2);
    assert_int_equal(site->exits, 2);
    assert_memory_equal(site->bytes, "\x5b\xc3\x48\x8d\x4a", 5); /* what the jump reads is compared, too */
    assert_int_equal(f->exits, TL_EXITS_SITE);
    tl_module_close(module);
}

/* A pointer leads into the middle of the instruction that a jump would need: no int3 stands there for who follows it.
 */
static void no_jump_overwrites_an_instruction_that_somebody_arrives_inside(void **state)
{
    (void)state;
    program_assemble(
        "inside",
        FUNCTION("f",
                 "sub $0x98,%rsp\ncall g\ntest %eax,%eax\njne 3f\n2: add $0x98,%rsp\nret\n"
                 "3: mov $0x01010101,%eax\njmp 2b\n") ".data\n.quad 2b+2\n.text\n" FUNCTION("g",
                                                                                            "mov %edi,%eax\nret\n"));
    struct tl_module *module = program_plan("inside");
    const struct tl_plan_function *f = get(module, "f");
    assert_null(program_site(module, f->address + 16));
    const struct tl_wire_site *site = program_site(module, f->address + 23);
    assert_non_null(site);
    assert_int_equal(site->tactic, TL_TACTIC_TRAP);
    assert_int_equal(site->exits, 1);
    tl_module_close(module);
}

/* Not close above the program, where its heap grows, and not below address 0: then the ret alone may do, or an int3. */
static void a_short_jump_leads_where_a_stub_can_be(void **state)
{
    (void)state;
    const char *const behind[] = {TIGHT("lea 0x11223344(%rbx),%rax"), TIGHT("add %rax,0x50112233(%rbx)"),
                                  TIGHT("lea 0x11223380(%rbx),%rbx")};
    const uint8_t tactic[] = {TL_TACTIC_SHORT, TL_TACTIC_SHORT, TL_TACTIC_TRAP};
    for (size_t i = 0; i < 3; i++) {
        program_assemble("far", behind[i]);
        struct tl_module *module = program_plan("far");
        const struct tl_plan_function *f = get(module, "f");
        const struct tl_wire_site *site = program_site(module, f->address + 12);
        assert_non_null(site);
        assert_int_equal(site->tactic, tactic[i]);
        assert_int_equal(site->size, 1);
        assert_int_equal(f->exits, i == 2 ? TL_EXITS_TRAP : TL_EXITS_SITE);
        tl_module_close(module);
    }
}

static void compilers_leave_sleds(void **state)
{
    (void)state;
    program_assemble("sleds", FUNCTION("five", "nop\nnop\nnop\nnop\nnop\nmov %edi,%eax\nret\n")
                                  FUNCTION("one", ".byte 0x0f,0x1f,0x44,0,0\nmov %edi,%eax\nret\n")
                                      FUNCTION("behind", "endbr64\nnop\nnop\nnop\nnop\nnop\nmov %edi,%eax\nret\n")
                                          FUNCTION("xray", ".byte 0xeb,9,0x66,0x0f,0x1f,0x84,0,0,2,0,0\nmov %edi,%eax\n"
                                                           "ret\n.byte 0x2e,0x66,0x0f,0x1f,0x84,0,0,2,0,0\n")
                                              FUNCTION("none", "nop\nnop\nmov %edi,%eax\nret\n"));
    struct tl_module *module = program_plan("sleds");
    const char *const names[] = {"five", "one", "behind", "xray"};
    const unsigned sizes[] = {5, 5, 5, 11}, starts[] = {0, 0, 4, 0};
    for (size_t i = 0; i < 4; i++) {
        const struct tl_plan_function *f = get(module, names[i]);
        const struct tl_wire_site *site = program_site(module, f->address + starts[i]);
        assert_int_equal(f->entry, TL_TACTIC_SLED);
        assert_int_equal(site->tactic, TL_TACTIC_SLED);
        assert_int_equal(site->address, f->address + starts[i]);
        assert_int_equal(site->size, sizes[i]);
        assert_int_equal(f->exits, TL_EXITS_SITE);
    }
    assert_int_equal(get(module, "none")->entry, TL_TACTIC_JUMP);
    tl_module_close(module);
}

/* What only an unknown branch could lead to costs no int3 that is hit, but may not be missed either. */
static void an_exit_of_an_uncertain_function_gets_an_int3_besides(void **state)
{
    (void)state;
    program_assemble("doubt",
                     FUNCTION("f", "cmp $0x1234567,%rdi\nje 1f\nmov $0x11223344,%eax\nret\n.byte 0x3e,0x8d,0x07\nud2\n"
                                   "1: mov $0x55667788,%eax\nret\n"));
    struct tl_module *module = program_plan("doubt");
    const struct tl_plan_function *f = get(module, "f");
    const struct tl_wire_site *jump = program_site(module, f->address + 9);
    assert_string_equal(f->why, "holds bytes not proven to be code");
    assert_int_equal(jump->tactic, TL_TACTIC_JUMP);
    assert_int_equal(jump->exits, 2);
    assert_int_equal(jump[1].tactic, TL_TACTIC_TRAP);
    assert_int_equal(jump[1].address, jump->address + 5);
    assert_int_equal(jump[1].exits, 1);
    assert_int_equal(f->exits, TL_EXITS_SITE);
    tl_module_close(module);
}

/* Who falls into the ret goes by the jump, who branches to it traps, as without the jump. */
static void an_exit_that_is_branched_to_and_fallen_into(void **state)
{
    (void)state;
    program_assemble("both",
                     FUNCTION("f", "mov %rdi,%rax\ntest $3,%al\nje 1f\nadd $5,%rax\n1: ret\n2: .byte 0x04,0x01\n"
                                   "add $1,%al\nadd $2,%al\njmp 1b\n"));
    struct tl_module *module = program_plan("both");
    const struct tl_plan_function *f = get(module, "f");
    const struct tl_wire_site *site = program_site(module, f->address + 7);
    assert_non_null(site);
    assert_int_equal(site->tactic, TL_TACTIC_JUMP);
    assert_int_equal(site->address, f->address + 7);
    assert_int_equal(site->exits, 2);
    assert_int_equal(f->exits, TL_EXITS_TRAP);
    tl_module_close(module);
}

static void a_tactic_can_be_asked_for(void **state)
{
    (void)state;
    program_assemble("ask", FUNCTION("f", "mov %rdi,%rax\nxor $0x1234567,%rax\nadd $0x7234567,%rax\nret\n")
                                FUNCTION("g", "nop\nnop\nnop\nnop\nnop\nmov %edi,%eax\nret\n"));
    const uint8_t asked[] = {TL_TACTIC_SLED, TL_TACTIC_JUMP, TL_TACTIC_SHORT, TL_TACTIC_TRAP};
    const uint8_t f_entry[] = {TL_TACTIC_JUMP, TL_TACTIC_JUMP, TL_TACTIC_SHORT, TL_TACTIC_TRAP};
    const uint8_t g_entry[] = {TL_TACTIC_SLED, TL_TACTIC_JUMP, TL_TACTIC_TRAP, TL_TACTIC_TRAP};
    struct tl_module *module = program_plan("ask");
    for (size_t i = 0; i < 4; i++) {
        struct tl_filter filter = {.force = asked[i]};
        tl_module_select(module, &filter);
        assert_true(tl_module_plan(module));
        assert_int_equal(get(module, "f")->entry, f_entry[i]);
        assert_int_equal(get(module, "g")->entry, g_entry[i]);
        assert_int_equal(tl_tactic_named(tl_tactic_names[asked[i]]), asked[i]);
    }
    assert_int_equal(tl_tactic_named("fast"), -1);
    tl_module_close(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exit_without_room_is_a_short_jump),
        cmocka_unit_test(no_jump_overwrites_an_instruction_that_somebody_arrives_inside),
        cmocka_unit_test(a_short_jump_leads_where_a_stub_can_be),
        cmocka_unit_test(compilers_leave_sleds),
        cmocka_unit_test(an_exit_of_an_uncertain_function_gets_an_int3_besides),
        cmocka_unit_test(an_exit_that_is_branched_to_and_fallen_into),
        cmocka_unit_test(a_tactic_can_be_asked_for),
    };
    return cmocka_run_group_tests(tests, program_folder_make, program_folder_remove);
}
