/* SPDX-License-Identifier: MIT
 *
 * What functions a file has, as compilers and tools leave it: with symbols, stripped, without section headers, with its
 * symbols elsewhere, split into hot and cold parts; and files that are none.
 */
#include "program.h"
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* after the above, as it wants */
#include <cmocka.h>

/* A bit of everything that compilers make: switches, tail calls, cold parts, static functions that are only called. */
static const char source[] =
    "#include <stdio.h>\n#include <stdlib.h>\n"
    "#define OWN __attribute__((noinline))\n"
    "extern int sink;\nint sink;\n"
    "static OWN __attribute__((cold)) void rare(int x) { printf(\"rare %d\\n\", x); sink = x; }\n"
    "OWN int split(int *p, int n) { int s = 0; for (int i = 0; i < n; i++) { if (__builtin_expect(p[i] < 0, 0)) {\n"
    "    rare(p[i]); s -= p[i] * 3; if (p[i] == -7) abort(); } s += p[i]; } return s; }\n"
    "OWN int pick(int x) { switch (x) { case 0: return sink; case 1: return puts(\"b\"); case 2: return puts(\"cc\");\n"
    "    case 3: return x * sink; case 4: return getchar(); case 5: return rand(); case 6: sink++; return 4; }\n"
    "    return 1; }\n"
    "OWN int leaf(int x) { return x * 3 + sink; }\n"
    "OWN int tail(int x) { sink++; return leaf(x + 1); }\n"
    "OWN int indirect(int (*f)(int), int x) { sink--; return f(x); }\n"
    "OWN int (*choose(int x))(int) { return x ? tail : pick; }\n"
    "OWN void gone(void) { puts(\"gone\"); exit(3); }\n"
    "int main(int argc, char **argv) { int a[3] = {argc, 2, 3}; if (argc > 9) gone();\n"
    "    return split(a, argc % 3) + pick(argc) + tail(argc) + indirect(choose(argc), argc) + (argv != 0); }\n";

static const char *const names[] = {"split", "pick", "leaf", "tail", "indirect", "choose", "gone", "main"};

static void expect_known(const char *flags)
{
    program_build("known", flags, source);
    struct tl_module *module = program_plan("known");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct tl_plan_function *f = program_function(module, names[i]);
        if (!f)
            fail_msg("%s: no %s", flags, names[i]);
        bool never = strcmp(names[i], "gone") == 0;
        if (f->entry == TL_TACTIC_NONE || strcmp(f->why, never ? "never returns" : "") != 0)
            fail_msg("%s: %s: %s", flags, names[i], f->why);
        assert_true(never ? f->exits == TL_EXITS_NONE : f->exits != TL_EXITS_NONE);
    }
    assert_null(program_function(module, "split.cold"));
    tl_module_close(module);
}

static void all_of_a_program_is_understood(void **state)
{
    (void)state;
    const char *const flags[] = {"-O0",
                                 "-O1",
                                 "-O2",
                                 "-O3 -fcf-protection=full",
                                 "-Os",
                                 "-O2 -no-pie -fno-pie",
                                 "-O0 -no-pie -fno-pie",
                                 "-O2 -fno-omit-frame-pointer",
                                 "-O2 -static",
                                 "-O2 -fno-asynchronous-unwind-tables",
                                 "-O2 -Wl,-z,pack-relative-relocs"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        expect_known(flags[i]);
}

static void clang_is_understood(void **state)
{
    (void)state;
    if (system("command -v clang >/dev/null 2>&1") != 0)
        skip();
    char folder_source[64] = "clang.c";
    program_build("for_source", "-O0", source);
    program_run("cp for_source.c %s && clang -O2 -w -o c2 %s && clang -O0 -w -o c0 %s", folder_source, folder_source,
                folder_source);
    for (size_t i = 0; i < 2; i++) {
        struct tl_module *module = program_plan(i ? "c0" : "c2");
        const char *const some[] = {"split", "pick", "leaf", "tail", "indirect", "choose", "main"};
        for (size_t k = 0; k < sizeof some / sizeof *some; k++)
            assert_string_equal(program_function(module, some[k])->why, "");
        tl_module_close(module);
    }
}

/* Of the functions that the compiler's own code has, not those of the start files, which have no frames. */
static void expect_same_functions(const struct tl_module *full, const struct tl_module *stripped)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct tl_plan_function *f = program_function(full, names[i]), *same = NULL;
        for (size_t k = 0; k < stripped->function_count; k++)
            if (stripped->functions[k].address == f->address)
                same = &stripped->functions[k];
        assert_non_null(same);
        assert_int_equal(same->size, f->size);
        assert_int_equal(same->entry, f->entry);
        assert_int_equal(same->exits, f->exits);
        assert_string_equal(same->why, f->why);
    }
    assert_true(stripped->function_count <= full->function_count);
}

static void stripped_programs_have_the_same_functions(void **state)
{
    (void)state;
    program_build("full", "-O2 -Wl,--build-id=none", source);
    program_run("cp full stripped && strip stripped");
    struct tl_module *full = program_plan("full"), *stripped = program_plan("stripped");
    expect_same_functions(full, stripped);
    assert_null(program_function(stripped, "split"));
    tl_module_close(full);
    tl_module_close(stripped);
}

static void section_headers_are_not_needed(void **state)
{
    (void)state;
    program_build("whole", "-O2 -Wl,--build-id=none", source);
    program_run("cp whole bare && strip bare");
    FILE *file = fopen(program_path("bare"), "r+b");
    Elf64_Ehdr header;
    assert_non_null(file);
    assert_int_equal(fread(&header, sizeof header, 1, file), 1);
    header.e_shoff = 0;
    header.e_shnum = header.e_shstrndx = 0;
    rewind(file);
    assert_int_equal(fwrite(&header, sizeof header, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    struct tl_module *whole = program_plan("whole"), *bare = program_plan("bare");
    expect_same_functions(whole, bare);
    tl_module_close(whole);
    tl_module_close(bare);
}

static void cold_parts_belong_to_their_function(void **state)
{
    (void)state;
    program_build("cold", "-O2 -Wl,--build-id=none", source);
    program_run("nm cold | grep -q 'split.cold' && cp cold cold_stripped && strip cold_stripped && "
                "nm cold | sed -n 's/ .*split.cold.*//p' > cold.address");
    FILE *file = fopen(program_path("cold.address"), "r");
    unsigned long long address = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%llx", &address), 1);
    fclose(file);
    const char *const files[] = {"cold", "cold_stripped"};
    for (size_t i = 0; i < 2; i++) {
        struct tl_module *module = program_plan(files[i]);
        for (size_t k = 0; k < module->function_count; k++)
            assert_true(module->functions[k].address != address);
        tl_module_close(module);
    }
}

static void symbols_are_found_elsewhere(void **state)
{
    (void)state;
    program_build("linked", "-O2 -Wl,--build-id=none", source);
    program_run("objcopy --only-keep-debug linked linked.debug && strip linked && "
                "objcopy --add-gnu-debuglink=linked.debug linked");
    struct tl_module *module = program_plan("linked");
    assert_non_null(program_function(module, "split"));
    tl_module_close(module);
    program_run("echo changed >> linked.debug"); /* another build's: its checksum differs */
    module = program_plan("linked");
    assert_null(program_function(module, "split"));
    tl_module_close(module);
    if (system("command -v xz >/dev/null 2>&1") != 0)
        skip();
    program_build("mini", "-O2 -Wl,--build-id=none", source);
    program_run(
        "objcopy -S --remove-section .comment mini mini.stripped && objcopy --only-keep-debug mini mini.debug && "
        "xz -kf mini.debug && objcopy --add-section .gnu_debugdata=mini.debug.xz mini.stripped");
    module = program_plan("mini.stripped");
    assert_non_null(program_function(module, "split"));
    tl_module_close(module);
}

static void expect_refused(const char *name, const char *part)
{
    char error[512] = "";
    assert_null(tl_module_open(program_path(name), NULL, error, sizeof error));
    if (!strstr(error, part))
        fail_msg("'%s' does not say '%s'", error, part);
}

static void what_is_no_program_is_refused_by_name(void **state)
{
    (void)state;
    program_build("good", "-O2", source);
    program_run("head -c 40 good > short && head -c 3000 good > half && echo hello > text && : > empty && "
                "head -c -100 good > cut && cc -c -o object.o good.c && mkdir -p folder");
    /* e_machine of i386, of aarch64 */
    program_run("cp good i386 && printf '\\003\\000' | dd of=i386 bs=1 seek=18 conv=notrunc status=none && "
                "cp good arm && printf '\\267\\000' | dd of=arm bs=1 seek=18 conv=notrunc status=none");
    expect_refused("missing", "No such file");
    expect_refused("short", "truncated");
    expect_refused("half", "truncated");
    expect_refused("cut", "truncated");
    expect_refused("text", "not an ELF file");
    expect_refused("empty", "empty");
    expect_refused("folder", "directory");
    expect_refused("object.o", "not linked");
    expect_refused("i386", "i386");
    expect_refused("arm", "another processor");
}

/* No corrupt byte may crash it: the fuzzer does this at length. */
static void corrupt_files_are_survived(void **state)
{
    (void)state;
    static uint8_t bytes[65536];
    program_build("corrupt", "-O2 -s", source);
    FILE *file = fopen(program_path("corrupt"), "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    srand(1);
    for (int round = 0; round < 400; round++) {
        char error[512];
        size_t at = (size_t)rand() % (round % 2 ? 1024 : size);
        uint8_t old = bytes[at];
        bytes[at] = (uint8_t)rand();
        file = fopen(program_path("mutant"), "wb");
        assert_int_equal(fwrite(bytes, 1, size, file), size);
        fclose(file);
        bytes[at] = round % 3 ? old : bytes[at];
        struct tl_module *module = tl_module_open(program_path("mutant"), NULL, error, sizeof error);
        struct tl_filter all = {.include_count = 0};
        if (!module)
            continue;
        tl_module_select(module, &all);
        assert_true(tl_module_plan(module));
        tl_module_close(module);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_a_program_is_understood),
        cmocka_unit_test(clang_is_understood),
        cmocka_unit_test(stripped_programs_have_the_same_functions),
        cmocka_unit_test(section_headers_are_not_needed),
        cmocka_unit_test(cold_parts_belong_to_their_function),
        cmocka_unit_test(symbols_are_found_elsewhere),
        cmocka_unit_test(what_is_no_program_is_refused_by_name),
        cmocka_unit_test(corrupt_files_are_survived),
    };
    return cmocka_run_group_tests(tests, program_folder_make, program_folder_remove);
}
