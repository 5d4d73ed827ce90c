/* SPDX-License-Identifier: MIT
 *
 * The kernel's beginning: brings up each room in order, then the tests that the command line asks for, or the shell.
 * Words of the command line: test=NAME,... (kernel/test.h), cpus=N (no more than so many), and the tests' own numbers.
 */
#include <kernel/apic.h>
#include <kernel/console.h>
#include <kernel/frame_test.h>
#include <kernel/interrupts.h>
#include <kernel/pages.h>
#include <kernel/paging.h>
#include <kernel/panic.h>
#include <kernel/segments.h>
#include <kernel/shell.h>
#include <kernel/smp.h>
#include <kernel/start.h>
#include <kernel/test.h>
#include <trapline/port.h>

/* Multiboot's, as far as it is wanted. */
struct loader {
    uint32_t flags;
    uint32_t memory_low_kib, memory_high_kib; /* the latter from 1 MiB on */
    uint32_t device;
    uint32_t command_line;
};
enum { LOADER_MEMORY = 1, LOADER_COMMAND_LINE = 4 };

extern const uint8_t kernel_end[];

/* Boot continues in a thread: what it calls may wait. */
static void begin(void *unused)
{
    (void)unused;
    start_rooms();
    test_run_asked();
    thread_start_on(0, "shell", shell, NULL);
}

__attribute__((noreturn)) void kernel_main(const struct loader *loader);
void kernel_main(const struct loader *loader)
{
    thread_begin(0);
    console_begin();
    uintptr_t memory_end = 0x100000 + (loader->flags & LOADER_MEMORY ? loader->memory_high_kib : 0) * 1024ul;
    if (loader->flags & LOADER_COMMAND_LINE)
        test_begin((const char *)(uintptr_t)loader->command_line);
    pages_begin((uintptr_t)kernel_end, memory_end);
    segments_begin(0);
    interrupts_begin();
    paging_begin(memory_end);
    apic_begin();
    frame_test();
    start_early();
    smp_begin((unsigned)test_option("cpus", CPU_MAX));
    console_print("trapline kernel, %lu bits, %u CPUs, %lu KiB of memory, data %sexecutable\n",
                  8 * (unsigned long)sizeof(void *), cpu_count(), (unsigned long)memory_end / 1024,
                  paging_no_execute() ? "not " : "");
    thread_start_on(0, "begin", begin, NULL);
    thread_idle();
}
