/* SPDX-License-Identifier: MIT
 *
 * See program.h. Linked into each test of this folder.
 */
#include "program.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* after the above, as it wants */
#include <cmocka.h>

static char folder[] = "/tmp/plan-test-XXXXXX";

int program_folder_make(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

int program_folder_remove(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

const char *program_path(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void program_run(const char *format, ...)
{
    char command[4096];
    int length = snprintf(command, sizeof command, "cd '%s' && ", folder);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command + length, sizeof command - (size_t)length, format, arguments);
    va_end(arguments);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

void program_build(const char *name, const char *flags, const char *source)
{
    char path[512];
    const char *suffix = strstr(flags, "-x assembler") ? "S" : "c";
    snprintf(path, sizeof path, "%s/%s.%s", folder, name, suffix);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(source, file);
    assert_int_equal(fclose(file), 0);
    program_run("cc -o '%s' %s '%s'", name, flags, path);
}

void program_assemble(const char *name, const char *source)
{
    char text[8192];
    snprintf(text, sizeof text,
             "        .section .note.GNU-stack,\"\",@progbits\n"
             "        .text\n"
             "        .globl _start\n"
             "        .type _start, @function\n"
             "_start: mov $60, %%eax\n"
             "        xor %%edi, %%edi\n"
             "        syscall\n"
             "        hlt\n"
             "        .size _start, . - _start\n"
             "        .p2align 4\n%s",
             source);
    program_build(name, "-nostdlib -static -x assembler", text);
}

static unsigned bytes_used(const struct tl_wire_site *site)
{
    return site->tactic == TL_TACTIC_TRAP ? 1 : TL_JUMP_BYTES;
}

static void check_plan(const struct tl_module *module)
{
    for (size_t i = 0; i < module->site_count; i++) {
        const struct tl_wire_site *site = &module->sites[i];
        assert_true(site->size >= 1 && site->size <= TL_SITE_MAX_BYTES);
        assert_true(site->insns >= 1 && site->insns <= TL_SITE_MAX_INSNS);
        assert_true(site->function < module->function_count);
        assert_true(site->exits >> site->insns == 0);
        assert_true(site->tactic != TL_TACTIC_TRAP || site->insns == 1);
        assert_true((site->tactic == TL_TACTIC_JUMP || site->tactic == TL_TACTIC_SLED) ==
                    (site->tactic != TL_TACTIC_TRAP && site->size >= TL_JUMP_BYTES));
        /* No two write the same byte, or one that a short jump reads. */
        if (i > 0)
            assert_true(module->sites[i - 1].address + bytes_used(&module->sites[i - 1]) <= site->address);
        for (size_t g = 0; g < module->guard_count; g++)
            assert_true(site->address >= module->guards[g].address + module->guards[g].size ||
                        site->address + site->size <= module->guards[g].address);
    }
}

struct tl_module *program_plan(const char *name)
{
    char error[512];
    struct tl_filter all = {.include_count = 0};
    struct tl_module *module = tl_module_open(program_path(name), NULL, error, sizeof error);
    if (!module)
        fail_msg("%s", error);
    tl_module_select(module, &all);
    assert_true(tl_module_plan(module));
    check_plan(module);
    return module;
}

const struct tl_plan_function *program_function(const struct tl_module *module, const char *name)
{
    for (size_t i = 0; i < module->function_count; i++)
        if (module->functions[i].name && strcmp(module->functions[i].name, name) == 0)
            return &module->functions[i];
    return NULL;
}

const struct tl_wire_site *program_site(const struct tl_module *module, uint64_t address)
{
    for (size_t i = 0; i < module->site_count; i++)
        if (address >= module->sites[i].address && address < module->sites[i].address + module->sites[i].size)
            return &module->sites[i];
    return NULL;
}
