/* SPDX-License-Identifier: MIT
 *
 * Where entries, exits and guards go, on small hand-written functions: each test is one shape of code.
 */
#include "program.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

static void tiny_functions_use_the_padding_behind_them(void **state)
{
    (void)state;
    program_assemble("tiny", FUNCTION("padded", "ret\n")
                                 FUNCTION("filler", "nop\nret\n") ".globl tight\n.type tight,"
                                                                  "@function\n.size tight,1\ntight: ret\n" FUNCTION(
                                                                      "next", "xor %eax,%eax\nret\n"));
    struct tl_module *module = program_plan("tiny");
    const struct tl_plan_function *padded = get(module, "padded"), *tight = get(module, "tight");
    assert_int_equal(padded->entry, TL_TACTIC_JUMP);
    assert_int_equal(padded->exits, TL_EXITS_SITE);
    assert_int_equal(program_site(module, padded->address)->exits & 1, 1);
    assert_int_equal(tight->entry, TL_TACTIC_TRAP);
    assert_int_equal(tight->exits, TL_EXITS_TRAP);
    assert_int_equal(program_site(module, tight->address)->size, 1);
    assert_int_equal(get(module, "next")->entry, TL_TACTIC_JUMP);
    tl_module_close(module);
}

static void endbr_stays_where_it_is(void **state)
{
    (void)state;
    program_assemble("endbr", FUNCTION("f", "endbr64\npush %rbp\nmov %rsp,%rbp\nxor %eax,%eax\npop %rbp\nret\n"));
    struct tl_module *module = program_plan("endbr");
    const struct tl_plan_function *f = get(module, "f");
    assert_null(program_site(module, f->address));
    const struct tl_wire_site *site = program_site(module, f->address + 4);
    assert_non_null(site);
    assert_int_equal(site->address, f->address + 4);
    assert_int_equal(site->kind, TL_SITE_ENTRY);
    assert_int_equal(site->insns, 3);
    tl_module_close(module);
}

static void a_branch_into_the_first_bytes_makes_the_entry_a_short_jump(void **state)
{
    (void)state;
    program_assemble("inner", FUNCTION("f", "xor %eax,%eax\n1: inc %eax\ncmp %edi,%eax\njne 1b\nret\n"));
    struct tl_module *module = program_plan("inner");
    const struct tl_plan_function *f = get(module, "f");
    assert_int_equal(f->entry, TL_TACTIC_SHORT);
    assert_int_equal(program_site(module, f->address)->size, 2);
    assert_int_equal(f->exits, TL_EXITS_SITE);
    assert_string_equal(f->why, "");
    tl_module_close(module);
}

static void a_loop_to_the_entry_is_redirected(void **state)
{
    (void)state;
    program_assemble("loop", FUNCTION("f", "lea 1(%rax,%rdi),%rax\nadd $3,%rsi\ndec %edx\nsub $0x1234567,%r8\njne f\n"
                                           "mov %rsi,%rax\nret\n") FUNCTION("short", "dec %edi\njne short\nret\n"));
    struct tl_module *module = program_plan("loop");
    const struct tl_plan_function *f = get(module, "f");
    unsigned redirects = 0;
    for (size_t i = 0; i < module->site_count; i++)
        if (module->sites[i].kind == TL_SITE_REDIRECT) {
            redirects++;
            assert_int_equal(module->sites[i].exits, 0);
            assert_true(module->sites[i].address > f->address);
            assert_true(module->sites[i].address < f->address + f->size);
        }
    assert_int_equal(redirects, 1); /* in short() the branch lies in the entry's own window */
    assert_int_equal(f->exits, TL_EXITS_SITE);
    assert_int_equal(get(module, "short")->exits, TL_EXITS_SITE);
    tl_module_close(module);
}

static void a_loop_behind_an_endbr_is_redirected(void **state)
{
    (void)state;
    program_assemble("loop2", FUNCTION("f", "endbr64\n1: lea 1(%rax,%rdi),%rax\nadd $3,%rsi\nsub $0x1234567,%r8\n"
                                            "jne 1b\nret\n"));
    struct tl_module *module = program_plan("loop2");
    const struct tl_plan_function *f = get(module, "f");
    const struct tl_wire_site *site = NULL;
    for (size_t i = 0; i < module->site_count; i++)
        if (module->sites[i].kind == TL_SITE_REDIRECT)
            site = &module->sites[i];
    assert_non_null(site);
    assert_int_equal(f->entry, TL_TACTIC_JUMP);
    tl_module_close(module);
}

static void tail_calls_are_exits(void **state)
{
    (void)state;
    program_assemble("tail",
                     FUNCTION("callee", "xor %eax,%eax\nret\n") FUNCTION("direct", "inc %edi\njmp callee\n")
                         FUNCTION("conditional", "test %edi,%edi\nje callee\nmov $7,%eax\nret\n")
                             FUNCTION("through", "mov 8(%rdi),%rax\nmov %rsi,%rdi\njmp *%rax\n") FUNCTION(
                                 "slot", "mov $1,%edi\njmp *pointer(%rip)\n") ".data\npointer: .quad callee\n.text\n");
    struct tl_module *module = program_plan("tail");
    const char *const names[] = {"direct", "conditional", "through", "slot"};
    for (size_t i = 0; i < 4; i++) {
        const struct tl_plan_function *f = get(module, names[i]);
        assert_int_equal(f->exits, TL_EXITS_SITE);
        assert_string_equal(f->why, "");
    }
    unsigned bits = 0;
    const struct tl_plan_function *conditional = get(module, "conditional");
    for (size_t i = 0; i < module->site_count; i++)
        if (&module->functions[module->sites[i].function] == conditional)
            bits += (unsigned)__builtin_popcount(module->sites[i].exits);
    assert_int_equal(bits, 2);
    tl_module_close(module);
}

static void data_in_code_is_never_patched(void **state)
{
    (void)state;
    program_assemble(
        "data",
        FUNCTION("f", "lea table(%rip),%rax\nmovslq (%rax,%rdi,4),%rax\nret\n"
                      "table: .byte 0xc3,0xc3,0xc3,0xc3,0xc3,0xc3,0xc3,0xc3\n")
            FUNCTION("after_call", "sub $8,%rsp\ncall no_symbol\n.byte 0x06,0xc3,0xc3,0xc3\n") "no_symbol: ret\n");
    struct tl_module *module = program_plan("data");
    const struct tl_plan_function *f = get(module, "f"), *g = get(module, "after_call");
    for (uint64_t at = f->address + f->size - 8; at < f->address + f->size; at++)
        assert_null(program_site(module, at));
    assert_string_equal(f->why, "holds bytes not proven to be code");
    assert_int_equal(f->exits, TL_EXITS_SITE); /* together with the instruction in front of it */
    for (uint64_t at = g->address + 9; at < g->address + g->size; at++)
        assert_null(program_site(module, at));
    tl_module_close(module);
}

static void an_exit_behind_a_branch_target_is_not_missed(void **state)
{
    (void)state;
    /* the ret is reached by the jump, so a window that only begins in front of it would not see that */
    program_assemble("bypass", FUNCTION("f", "mov $1,%eax\ntest %rdi,%rdi\nje 1f\nmov 0x1234(%rdi),%rax\n1: ret\n")
                                   FUNCTION("g", "ret\n"));
    struct tl_module *module = program_plan("bypass");
    const struct tl_plan_function *f = get(module, "f");
    uint64_t ret = f->address + f->size - 1;
    const struct tl_wire_site *site = program_site(module, ret);
    assert_non_null(site);
    assert_int_equal(site->address, ret);
    tl_module_close(module);
}

static void system_calls_stay(void **state)
{
    (void)state;
    program_assemble("syscall", FUNCTION("f", "xor %eax,%eax\nsyscall\nret\n") FUNCTION("g", "syscall\nret\n"));
    struct tl_module *module = program_plan("syscall");
    const struct tl_plan_function *f = get(module, "f"), *g = get(module, "g");
    assert_int_equal(f->entry, TL_TACTIC_TRAP);
    assert_null(program_site(module, f->address + 2));
    assert_int_equal(f->exits, TL_EXITS_SITE);
    assert_int_equal(g->entry, TL_TACTIC_NONE);
    assert_string_equal(g->why, "its first instruction must stay where it is");
    tl_module_close(module);
}

static void signal_calls_are_guarded(void **state)
{
    (void)state;
    program_assemble(
        "guard",
        FUNCTION("f", "push %rbx\nmov %edi,%ebx\nmov %rsi,%r9\nmov $8,%r10d\nmov $13,%eax\nxor %edi,%edi\n"
                      "syscall\npop %rbx\nret\n")
            FUNCTION("g", "push %rbx\nlea 8(%rdi),%rbx\nmov $14,%eax\nmov %rbx,%rax\nsyscall\npop %rbx\nret\n")
                FUNCTION("h", "mov $14,%rax\nsyscall\nret\n") FUNCTION("k", "endbr64\nmov $11,%eax\nsyscall\nret\n"));
    struct tl_module *module = program_plan("guard");
    assert_int_equal(module->guard_count, 3);
    assert_int_equal(module->guards[2].syscall_number, 11);
    assert_int_equal(module->guards[0].syscall_number, 13);
    assert_int_equal(module->guards[0].kind, TL_SITE_GUARD);
    assert_int_equal(module->guards[0].insns, 3);
    assert_int_equal(module->guards[0].size, 9);
    assert_int_equal(module->guards[1].syscall_number, 14);
    assert_int_equal(module->guards[1].size, 9);
    const struct tl_plan_function *h = get(module, "h"); /* the guard itself records it */
    assert_int_equal(h->entry, TL_TACTIC_JUMP);
    assert_null(program_site(module, h->address));
    assert_string_equal(h->why, "a guarded system call: exits not traced");
    tl_module_close(module);
}

/* What a file is opened for of which no function is wanted. */
static void guards_are_found_without_a_plan_where_there_can_be_none(void **state)
{
    (void)state;
    char error[256];
    program_assemble("none", FUNCTION("f", "mov $13,%eax\nret\n"));
    struct tl_module *none = tl_module_open_guards(program_path("none"), NULL, error, sizeof error);
    assert_non_null(none);
    assert_int_equal(none->guard_count, 0);
    assert_int_equal(none->function_count, 0); /* not looked for */
    tl_module_close(none);
    program_run("cp \"$(ldd /bin/sh | sed -n 's,.*=> \\(/.*libc[^ ]*\\) .*,\\1,p')\" libc");
    struct tl_module *all = program_plan("libc");
    struct tl_module *guards = tl_module_open_guards(program_path("libc"), NULL, error, sizeof error);
    assert_non_null(guards);
    assert_true(all->guard_count > 0);
    assert_int_equal(guards->guard_count, all->guard_count);
    for (size_t i = 0; i < all->guard_count; i++)
        assert_int_equal(guards->guards[i].address, all->guards[i].address);
    tl_module_close(guards);
    tl_module_close(all);
}

#define CALLS_BY_NUMBER(label)                                                                                         \
    "mov %rdi,%rax\n" label ":\nmov %rsi,%rdi\nmov %rdx,%rsi\nsyscall\nret\n.skip 400, 0x90\n"

/* "alone" has the one guard. */
static void compare_guards(const char *source)
{
    char error[256];
    program_assemble("alone", source);
    struct tl_module *all = program_plan("alone");
    struct tl_module *guards = tl_module_open_guards(program_path("alone"), NULL, error, sizeof error);
    assert_non_null(guards);
    assert_int_equal(all->guard_count, 1);
    assert_int_equal(guards->guard_count, 1);
    assert_int_equal(all->guards[0].address, get(all, "alone")->address);
    assert_int_equal(guards->guards[0].address, all->guards[0].address);
    tl_module_close(guards);
    tl_module_close(all);
}

/* ... and the middle of a run is a target all the same, from wherever: from the next function, from one far away, from
 * a part that it has elsewhere. */
static void guards_alone_are_those_of_the_whole_plan(void **state)
{
    (void)state;
    compare_guards(FUNCTION("beside", "test %edi,%edi\njne 4f\nret\n") FUNCTION("a", CALLS_BY_NUMBER("4"))
                       FUNCTION("alone", CALLS_BY_NUMBER("7")));
    compare_guards(FUNCTION("b", CALLS_BY_NUMBER("5")) FUNCTION("alone", CALLS_BY_NUMBER("7"))
                       FUNCTION("afar", "test %edi,%edi\njne 5b\nret\n"));
    compare_guards(FUNCTION("c", CALLS_BY_NUMBER("6")) FUNCTION("alone", CALLS_BY_NUMBER("7")) FUNCTION(
        "afar", "test %edi,%edi\njne afar.cold\nret\n") ".section .text.unlikely,\"ax\"\n.type "
                                                        "afar.cold,@function\nafar.cold: nop\njmp 6b\n"
                                                        ".size afar.cold, .-afar.cold\n.skip 400, 0x90\n.text\n");
}

static void calls_by_number_are_guarded(void **state)
{
    (void)state;
    program_assemble(
        "number", FUNCTION("wait", "mov $0x10e,%eax\nsyscall\nret\n")
                      FUNCTION("syscall", "mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nmov %rcx,%rdx\nmov %r8,%r10\n"
                                          "mov %r9,%r8\nmov 8(%rsp),%r9\nsyscall\nret\n")
                          FUNCTION("near", "mov %rdi,%rax\nsyscall\nret\n") /* the jmp would hide the syscall */
        FUNCTION("hidden", "mov $0x050fc789,%edx\nmov %edx,%eax\nret\n")
            FUNCTION("other", "mov $0x10d,%eax\nsyscall\nret\n"));
    struct tl_module *module = program_plan("number");
    assert_int_equal(module->guard_count, 2);
    assert_int_equal(module->guards[0].syscall_number, 0x10e);
    assert_int_equal(module->guards[1].address, get(module, "syscall")->address);
    assert_int_equal(module->guards[1].syscall_number, TL_SITE_SYSCALL_ANY);
    assert_int_equal(module->guards[1].insns, 8);
    assert_int_equal(get(module, "syscall")->entry, TL_TACTIC_JUMP); /* the guard itself records it */
    tl_module_close(module);
}

static void the_signal_return_is_no_function(void **state)
{
    (void)state;
    program_assemble("restore", FUNCTION("hidden", "mov $15,%rax\nsyscall\n") FUNCTION("__restore_rt", "nop\nret\n")
                                    FUNCTION("f", "ret\n"));
    struct tl_module *module = program_plan("restore");
    assert_null(program_function(module, "hidden"));
    assert_null(program_function(module, "__restore_rt"));
    assert_non_null(program_function(module, "f"));
    tl_module_close(module);
}

static void overlapping_symbols_share_no_byte(void **state)
{
    (void)state;
    program_assemble("overlap",
                     FUNCTION("outer", "push %rbx\n.globl inner\n.type inner,@function\ninner: mov %edi,%eax\n"
                                       "xor $0x1234567,%eax\npop %rbx\nret\n.size inner, . - inner\n")
                         FUNCTION("alias", ".globl __alias\n.type __alias,@function\n__alias: xor %eax,%eax\n"
                                           "add $0x1234,%edi\nret\n.size __alias, . - __alias\n"));
    struct tl_module *module = program_plan("overlap");
    assert_int_equal(get(module, "outer")->entry, TL_TACTIC_TRAP); /* inner begins in its first five bytes */
    assert_int_equal(get(module, "inner")->entry, TL_TACTIC_JUMP);
    assert_non_null(program_function(module, "alias"));
    assert_null(program_function(module, "__alias")); /* one function a place */
    struct tl_filter filter = {.include = (const char *[]){"__alias"}, .include_count = 1};
    assert_int_equal(tl_module_select(module, &filter), 1); /* but any of its names finds it */
    tl_module_close(module);
}

static void what_never_returns_says_so(void **state)
{
    (void)state;
    program_assemble("never", FUNCTION("f", "1: pause\njmp 1b\n") FUNCTION("g", "sub $8,%rsp\ncall f\n"));
    struct tl_module *module = program_plan("never");
    assert_string_equal(get(module, "f")->why, "never returns");
    assert_string_equal(get(module, "g")->why, "never returns");
    assert_int_equal(get(module, "g")->exits, TL_EXITS_NONE);
    tl_module_close(module);
}

static void a_local_subroutine_makes_exits_uncertain(void **state)
{
    (void)state;
    program_assemble("inner_call", FUNCTION("f", "call 1f\nadd $0x12345,%rax\nret\n1: mov $0x1234,%eax\nret\n"));
    struct tl_module *module = program_plan("inner_call");
    assert_string_equal(get(module, "f")->why, "calls its own inner parts");
    assert_int_equal(get(module, "f")->exits, TL_EXITS_NONE);
    assert_int_equal(get(module, "f")->entry, TL_TACTIC_JUMP);
    tl_module_close(module);
}

static void jumping_over_a_lock_prefix_is_understood(void **state)
{
    (void)state;
    program_assemble("lock",
                     FUNCTION("f", "cmpl $0,(%rdi)\nje 1f\n.byte 0xf0\n1: cmpxchg %esi,(%rdx)\nsete %al\nret\n"));
    struct tl_module *module = program_plan("lock");
    assert_string_equal(get(module, "f")->why, "");
    tl_module_close(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_functions_use_the_padding_behind_them),
        cmocka_unit_test(endbr_stays_where_it_is),
        cmocka_unit_test(a_branch_into_the_first_bytes_makes_the_entry_a_short_jump),
        cmocka_unit_test(a_loop_to_the_entry_is_redirected),
        cmocka_unit_test(a_loop_behind_an_endbr_is_redirected),
        cmocka_unit_test(tail_calls_are_exits),
        cmocka_unit_test(data_in_code_is_never_patched),
        cmocka_unit_test(an_exit_behind_a_branch_target_is_not_missed),
        cmocka_unit_test(system_calls_stay),
        cmocka_unit_test(signal_calls_are_guarded),
        cmocka_unit_test(guards_are_found_without_a_plan_where_there_can_be_none),
        cmocka_unit_test(guards_alone_are_those_of_the_whole_plan),
        cmocka_unit_test(calls_by_number_are_guarded),
        cmocka_unit_test(the_signal_return_is_no_function),
        cmocka_unit_test(overlapping_symbols_share_no_byte),
        cmocka_unit_test(what_never_returns_says_so),
        cmocka_unit_test(a_local_subroutine_makes_exits_uncertain),
        cmocka_unit_test(jumping_over_a_lock_prefix_is_understood),
    };
    return cmocka_run_group_tests(tests, program_folder_make, program_folder_remove);
}
