/* SPDX-License-Identifier: MIT
 *
 * The end; see panic.h. The backtrace is in backtrace.c. Locks nothing: the console is asked to print whoever holds it.
 */
#include <gdb.h>
#include <kernel/backtrace.h>
#include <kernel/console.h>
#include <kernel/kgdb.h>
#include <kernel/panic.h>
#include <kernel/shell.h>
#include <kernel/smp.h>
#include <ptregs.h>
#include <stdatomic.h>

static atomic_bool going;

bool panic_going(void)
{
    return atomic_load_explicit(&going, memory_order_relaxed); /* relaxed: nothing else is read because of it */
}

static __attribute__((noreturn)) void halt(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

enum { IP = 16, FLAGS, CS, SS, DS, ES, FS, GS };

static uintptr_t value_of(const struct pt_regs *regs, unsigned where)
{
    switch (where) {
    case IP:
        return regs->regs.ip;
    case FLAGS:
        return regs->regs.flags;
    case CS:
        return regs->cs;
    default:
        return regs->regs.gpr[where % TL_ARCH_GPRS];
    }
}

/* Four to a line, by gdb's names; the segments but cs are always the same. */
static void print_registers(const struct pt_regs *regs)
{
    unsigned printed = 0;
#define PRINT(name, type, bits, where)                                                                                 \
    if (where <= CS)                                                                                                   \
        console_print("  %s %p%s", #name, (void *)value_of(regs, where), ++printed % 4 ? "" : "\n");
    TL_GDB_REGISTERS(PRINT)
    console_print("\n");
}

void panic(const char *what, struct pt_regs *regs)
{
    __asm__ volatile("cli");
    if (atomic_exchange(&going, true))
        halt(); /* a panic within a panic, or another CPU's: the first one's words count */
    console_print("\npanic: %s\n", what);
    if (regs) {
        print_registers(regs);
        backtrace_print(regs->regs.ip, regs->regs.gpr[TL_REG_BP]);
        kgdb_panic(regs);
    } else
        backtrace_print((uintptr_t)__builtin_return_address(0) - 1, *(uintptr_t *)__builtin_frame_address(0));
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
        if (cpu != cpu_id())
            cpu_send_nmi(cpu);
    console_print("halted\n");
    halt();
}

static bool panic_asked(size_t count, char **words)
{
    panic(count > 1 ? words[1] : "asked for", NULL);
}
SHELL_COMMAND(panic, "[WORD]: ends the kernel", panic_asked);

static bool int3_asked(size_t count, char **words)
{
    (void)count;
    (void)words;
    console_print("int3\n"); /* a function without a call has no frame, and its caller would not be seen */
    __asm__ volatile("int3");
    return true;
}
SHELL_COMMAND(int3, ": runs a breakpoint that nobody owns", int3_asked);
