/* SPDX-License-Identifier: MIT
 *
 * The commands on the console. Each room has its own, next to what they command: SHELL_COMMAND puts one into the table
 * that the linker collects, sorted by nobody. Commands run in the shell's thread, one at a time, and may wait.
 */
#ifndef KERNEL_SHELL_H
#define KERNEL_SHELL_H

#include <stdbool.h>
#include <stddef.h>

struct shell_command {
    const char *name;
    const char *help; /* "WORD...: what it does" */
    /* words[0] is the name; words[count] is NULL. True: done. False: refused, and it has said why. */
    bool (*run)(size_t count, char **words);
};

/* At file level: SHELL_COMMAND(trace, "on|off|filter GLOB: the function tracer", trace_command); */
#define SHELL_COMMAND(word, help, function)                                                                            \
    static const struct shell_command shell_command_##word = {#word, help, function};                                  \
    static const struct shell_command *const shell_entry_##word __attribute__((used, section("shell_commands"))) =     \
        &shell_command_##word

/* Reads lines from the console and runs them, for ever: a thread. */
void shell(void *unused);

/* Runs one line as if it had been typed; the line is taken apart. False: refused, or no such command. */
bool shell_run(char *line);

#endif
