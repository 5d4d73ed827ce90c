/* SPDX-License-Identifier: MIT
 *
 * The console's command loop; see shell.h. Lines are edited here (backspace, ^U); what a command does is with the room
 * that offers it, except for help, echo and symbol.
 */
#include <kernel/console.h>
#include <kernel/shell.h>
#include <kernel/symbols.h>

enum { LINE_BYTES = 256, WORDS = 16 };

/* By the linker, around the section of that name. */
extern const struct shell_command *const __start_shell_commands[], *const __stop_shell_commands[];

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static bool before(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (unsigned char)*a < (unsigned char)*b;
}

/* Takes the line apart at its blanks. */
static size_t split(char *line, char **words)
{
    size_t count = 0;
    for (char *at = line; *at && count < WORDS;) {
        while (*at == ' ')
            *at++ = '\0';
        if (*at)
            words[count++] = at;
        while (*at && *at != ' ')
            at++;
    }
    words[count] = NULL;
    return count;
}

bool shell_run(char *line)
{
    char *words[WORDS + 1];
    size_t count = split(line, words);
    if (count == 0)
        return true;
    for (const struct shell_command *const *c = __start_shell_commands; c < __stop_shell_commands; c++)
        if (same((*c)->name, words[0]))
            return (*c)->run(count, words);
    console_print("no such command: %s; help lists them\n", words[0]);
    return false;
}

/* Reads a line, echoing it. */
static void read_line(char *line)
{
    size_t length = 0;
    for (;;) {
        char c = console_get();
        if (c == '\r' || c == '\n')
            break;
        bool erase_all = c == 'U' - '@';
        while (length && (c == '\b' || c == 0x7f || erase_all)) {
            console_print("\b \b");
            length--;
            if (!erase_all)
                break;
        }
        if (c >= ' ' && c < 0x7f && length < LINE_BYTES - 1) {
            line[length++] = c;
            console_print("%c", c);
        }
    }
    line[length] = '\0';
    console_print("\n");
}

void shell(void *unused)
{
    static char line[LINE_BYTES];
    (void)unused;
    for (;;) {
        console_print("trapline> ");
        read_line(line);
        if (!shell_run(line))
            console_print("refused\n");
    }
}

/* In the order of the alphabet: the linker's order is nobody's. */
static bool help(size_t count, char **words)
{
    const char *last = "";
    (void)count;
    (void)words;
    for (;;) {
        const struct shell_command *next = NULL;
        for (const struct shell_command *const *c = __start_shell_commands; c < __stop_shell_commands; c++)
            if (before(last, (*c)->name) && (!next || before((*c)->name, next->name)))
                next = *c;
        if (!next)
            return true;
        console_print("%s %s\n", next->name, next->help);
        last = next->name;
    }
}
SHELL_COMMAND(help, ": this list", help);

static bool echo(size_t count, char **words)
{
    for (size_t i = 1; i < count; i++)
        console_print(i > 1 ? " %s" : "%s", words[i]);
    console_print("\n");
    return true;
}
SHELL_COMMAND(echo, "WORD...: prints them", echo);

/* 0x... */
static bool parse_address(const char *text, uintptr_t *address)
{
    if (text[0] != '0' || text[1] != 'x' || !text[2])
        return false;
    *address = 0;
    for (text += 2; *text; text++) {
        unsigned digit = *text >= '0' && *text <= '9' ? (unsigned)(*text - '0') : (unsigned)((*text | 0x20) - 'a') + 10;
        if (digit > 15)
            return false;
        *address = *address << 4 | digit;
    }
    return true;
}

static bool symbol(size_t count, char **words)
{
    char text[128];
    uintptr_t address;
    struct symbol found;
    for (size_t i = 1; i < count; i++) {
        if (parse_address(words[i], &address))
            console_print("%s %s\n", words[i], symbol_text(address, text, sizeof text));
        else if (symbol_named(words[i], &found))
            console_print("%p %s\n", (void *)found.address, symbol_text(found.address, text, sizeof text));
        else {
            console_print("no function %s\n", words[i]);
            return false;
        }
    }
    return true;
}
SHELL_COMMAND(symbol, "NAME|0xADDRESS...: functions by name and by address", symbol);
