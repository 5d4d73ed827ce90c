/* SPDX-License-Identifier: MIT
 *
 * Probes of the kernel: its functions, those of them that an int3 runs through on its way to its probe, and the command
 * "probe". See probe.h.
 */
#include <kernel/console.h>
#include <kernel/interrupts.h>
#include <kernel/panic.h>
#include <kernel/probe.h>
#include <kernel/shell.h>
#include <kernel/status.h>
#include <kernel/symbols.h>
#include <kernel/traps.h>
#include <port/ring0/ring0.h>
#include <stdatomic.h>
#include <stddef.h>
#include <trapline/port.h>
#include <trapline/probe.h>

enum { PROBES = 16, TEXT_BYTES = 80 };

extern const uint8_t kernel_begin[], ring0_trap_begin[], kernel_tracer_begin[], kernel_tracer_end[];
extern const uint8_t tl_ftrace_list[], tl_ftrace_direct_end[], tl_exit_trampoline[], __fentry__[];

static bool (*debugger_holds)(uintptr_t address, uintptr_t size);

static bool function_of(uintptr_t address, uintptr_t *begin, size_t *size)
{
    struct symbol symbol;
    if (!symbol_of(address, &symbol))
        return false;
    *begin = symbol.address;
    *size = symbol.size_bytes;
    return true;
}

/* What a breakpoint of a probe runs through before it is known that a handler runs already, and the NMI before it is
 * known that one is being served; the trap path and the tracer are by section. */
static bool on_the_way(uintptr_t address)
{
    static const void *const functions[] = {
        (void *)kernel_int3_later,
        (void *)ist_enter,
        (void *)ist_exit,
        (void *)rcu_is_watching,
        (void *)kprobe_int3_handler,
        (void *)kgdb_ll_trap,
        (void *)tl_port_trace_thread,
        (void *)tl_port_context,
        (void *)tl_port_clock,
        (void *)do_nmi,
        (void *)ring0_trap,
        (void *)panic,
        tl_exit_trampoline,
        __fentry__,
    };
    struct symbol symbol;
    uintptr_t begin = symbol_of(address, &symbol) ? symbol.address : address;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (begin == (uintptr_t)functions[i])
            return true;
    return (address >= (uintptr_t)kernel_begin &&
            address < (uintptr_t)ring0_trap_begin) || /* the boot, in no state yet */
           (address >= (uintptr_t)kernel_tracer_begin && address < (uintptr_t)kernel_tracer_end) ||
           (address >= (uintptr_t)tl_ftrace_list && address < (uintptr_t)tl_ftrace_direct_end);
}

static enum tl_status refuse(uintptr_t address, size_t size)
{
    if (on_the_way(address) || on_the_way(address + size - 1))
        return TL_TRAP_PATH;
    return debugger_holds(address, size) ? TL_BUSY : TL_OK;
}

void probe_begin(bool (*is_held)(uintptr_t address, uintptr_t size))
{
    static const struct tl_probe_text text = {function_of, refuse};
    debugger_holds = is_held;
    if (tl_probe_open(&text) != TL_OK)
        panic("probes do not begin", NULL);
}

/* ---- the command ---- */

static struct shell_probe {
    struct tl_probe probe;
    _Atomic uint32_t hits;
    bool used;
} probes[PROBES];

static bool count(struct tl_probe *probe, struct tl_regs *regs)
{
    struct shell_probe *self = probe->data;
    (void)regs;
    atomic_fetch_add_explicit(&self->hits, 1, memory_order_relaxed); /* relaxed: a counter */
    return false;
}

/* "name", "name+12", "name+0x1f", "0x101234". */
static bool parse(const char *word, uintptr_t *address)
{
    char name[TEXT_BYTES];
    size_t n = 0;
    struct symbol symbol;
    bool number = word[0] == '0' && word[1] == 'x';
    while (!number && word[n] && word[n] != '+' && n < sizeof name - 1) {
        name[n] = word[n];
        n++;
    }
    name[n] = '\0';
    if (!number && !symbol_named(name, &symbol))
        return false;
    *address = number ? 0 : symbol.address;
    const char *at = number ? word : word[n] ? word + n + 1 : "0";
    unsigned base = at[0] == '0' && at[1] == 'x' ? 16 : 10;
    uintptr_t value = 0;
    for (at += base == 16 ? 2 : 0; *at; at++) {
        unsigned digit = *at <= '9' ? (unsigned)(*at - '0') : (unsigned)((*at | 0x20) - 'a' + 10);
        if (digit >= base)
            return false;
        value = value * base + digit;
    }
    *address += value;
    return true;
}

static bool add(const char *word)
{
    struct shell_probe *probe = probes;
    uintptr_t address;
    if (!parse(word, &address)) {
        console_print("refused: no function %s\n", word);
        return false;
    }
    while (probe < probes + PROBES && probe->used)
        probe++;
    if (probe == probes + PROBES) {
        console_print("refused: %u probes are there already\n", PROBES);
        return false;
    }
    *probe = (struct shell_probe){.probe = {.address = address, .before = count, .data = probe}};
    enum tl_status status = tl_probe_register(&probe->probe);
    probe->used = status == TL_OK;
    if (status != TL_OK)
        console_print("refused: %s\n", status == TL_BUSY ? "a debugger's breakpoint is there" : status_text(status));
    return status == TL_OK;
}

static void list(void)
{
    static const char *const words[] = {"nothing", "int3", "jump", "ftrace"};
    char text[TEXT_BYTES];
    for (struct shell_probe *probe = probes; probe < probes + PROBES; probe++)
        if (probe->used)
            console_print("%p %s %s, %u hits, %u missed\n", (void *)probe->probe.address,
                          symbol_text(probe->probe.address, text, sizeof text), words[tl_probe_how(&probe->probe)],
                          (unsigned)probe->hits, (unsigned)probe->probe.missed);
}

static void off(void)
{
    for (struct shell_probe *probe = probes; probe < probes + PROBES; probe++)
        if (probe->used)
            probe->used = tl_probe_unregister(&probe->probe) != TL_OK;
}

static bool is(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static bool probe_command(size_t count_of_words, char **words)
{
    if (count_of_words < 2 || is(words[1], "list"))
        list();
    else if (is(words[1], "off"))
        off();
    else
        return add(words[1]);
    return true;
}
SHELL_COMMAND(probe, "FUNCTION[+OFFSET]|list|off: counts how often an instruction is executed", probe_command);
