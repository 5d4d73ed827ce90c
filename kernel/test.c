/* SPDX-License-Identifier: MIT
 *
 * Running the tests inside the kernel, from its command line or its shell; see test.h.
 */
#include <kernel/shell.h>
#include <kernel/test.h>

enum { LINE_BYTES = 1024, EXIT_PORT = 0x501 };

static char line[LINE_BYTES];

/* By the linker, around the section of that name. */
extern const struct kernel_test *const __start_kernel_tests[], *const __stop_kernel_tests[];

/* QEMU's isa-debug-exit: it ends with status 2 * value + 1. */
static void end_machine(uint8_t value)
{
    __asm__ volatile("outb %0, %w1" : : "a"(value), "Nd"((uint16_t)EXIT_PORT));
}

/* Behind "word=" in the command line, or NULL. */
static const char *option(const char *word)
{
    for (const char *at = line; *at; at++) {
        size_t i = 0;
        if (at != line && at[-1] != ' ')
            continue;
        while (word[i] && at[i] == word[i])
            i++;
        if (!word[i] && at[i] == '=')
            return at + i + 1;
    }
    return NULL;
}

unsigned long test_option(const char *word, unsigned long otherwise)
{
    const char *at = option(word);
    unsigned long value = 0;
    if (!at)
        return otherwise;
    for (; *at >= '0' && *at <= '9'; at++)
        value = 10 * value + (unsigned long)(*at - '0');
    return value;
}

uint32_t test_text_sum(void)
{
    extern const uint8_t kernel_begin[], kernel_text_end[];
    uint32_t sum = 0;
    for (const volatile uint8_t *at = kernel_begin; at < kernel_text_end; at++)
        sum = (sum ^ *at) * 0x01000193; /* FNV-1a */
    return sum;
}

/* True if the word that names begins with is word. */
static bool begins(const char *names, const char *word)
{
    while (*word && *names == *word) {
        names++;
        word++;
    }
    return !*word && (!*names || *names == ',' || *names == ' ');
}

static bool run_one(const char *asked, unsigned *found)
{
    bool good = true;
    for (const struct kernel_test *const *test = __start_kernel_tests; test < __stop_kernel_tests; test++) {
        if (!begins(asked, (*test)->name) && !begins(asked, "all"))
            continue;
        ++*found;
        const char *why = (*test)->run();
        if (why)
            console_print("FAIL %s: %s\n", (*test)->name, why);
        else
            console_print("PASS %s\n", (*test)->name);
        good = good && !why;
    }
    return good;
}

bool test_run(const char *names)
{
    bool good = true;
    while (*names && *names != ' ') {
        unsigned found = 0;
        good = run_one(names, &found) && good;
        if (!found) {
            console_print("FAIL %s: there is no such test\n", names);
            good = false;
        }
        while (*names && *names != ' ' && *names != ',')
            names++;
        if (*names == ',')
            names++;
    }
    return good;
}

void test_begin(const char *command_line)
{
    for (size_t i = 0; i < LINE_BYTES - 1 && command_line[i]; i++)
        line[i] = command_line[i];
}

void test_run_asked(void)
{
    const char *names = option("test");
    if (names)
        end_machine(test_run(names) ? 0 : 1);
}

static bool test_command(size_t count, char **words)
{
    bool good = true;
    for (size_t i = 1; i < count; i++)
        good = test_run(words[i]) && good;
    return good;
}
SHELL_COMMAND(test, "NAME...|all: runs tests inside the kernel", test_command);
