/* SPDX-License-Identifier: MIT
 *
 * Tests that run inside the kernel. A file has
 *
 *     static const char *name(void) { ...; return NULL; }     NULL: passed; a text: why it failed
 *     KERNEL_TEST(name);
 *
 * and is linked like any other of kernel/; tests/kernel/run.bash boots the kernel with -append "test=name,other", or
 * "test=all". They run in a thread, in the order of the words, interrupts on. The console then has
 * lines "PASS name" and "FAIL name: why", and the kernel ends QEMU with status 1 (all passed) or 3. A test leaves
 * everything as it was, as others follow it.
 */
#ifndef KERNEL_TEST_H
#define KERNEL_TEST_H

#include <kernel/console.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel_test {
    const char *name;
    const char *(*run)(void);
};

#define KERNEL_TEST(function)                                                                                          \
    static const struct kernel_test kernel_test_##function = {#function, function};                                    \
    static const struct kernel_test *const kernel_test_entry_##function                                                \
        __attribute__((used, section("kernel_tests"))) = &kernel_test_##function

/* In a test: ends it, failed, if the condition does not hold. */
#define TEST_CHECK(condition)                                                                                          \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return #condition;                                                                                         \
    } while (0)

/* The same for a call that is refused with that status: the kernel's text is as it was before. */
#define TEST_REFUSED(call, status)                                                                                     \
    do {                                                                                                               \
        uint32_t test_before = test_text_sum();                                                                        \
        if ((call) != (status))                                                                                        \
            return #call " is not " #status;                                                                           \
        if (test_text_sum() != test_before)                                                                            \
            return #call " has changed the text";                                                                      \
    } while (0)

/* Differs where a byte of the kernel's text does. */
uint32_t test_text_sum(void);

/* A number of the kernel's command line, "word=123"; or what it is if it is not there. */
unsigned long test_option(const char *word, unsigned long otherwise);

/* Runs tests by name, separated by commas; "all". True: all passed. */
bool test_run(const char *names);

/* Keeps the command line; then runs what its word test= says and ends QEMU, or returns. */
void test_begin(const char *command_line);
void test_run_asked(void);

#endif
