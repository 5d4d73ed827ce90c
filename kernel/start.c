/* SPDX-License-Identifier: MIT
 *
 * Brings up the rooms that the build's switches have left in; see kernel/traps.c for these.
 */
#include <kernel/start.h>
#include <trapline/key.h>
#include <trapline/port.h>
#if KERNEL_FTRACE
#include <kernel/symbols.h>
#include <trapline/ftrace.h>
#endif
#if KERNEL_KPROBES
#include <kernel/kgdb.h>
#include <kernel/probe.h>
#endif
#if KERNEL_KGDB
#include <kernel/kgdb.h>
#include <kernel/text_lock.h>
#endif

#if KERNEL_FTRACE
extern const uintptr_t kernel_sites_begin[], kernel_sites_end[];

static const char *name_of(uintptr_t address)
{
    struct symbol symbol;
    return symbol_of(address, &symbol) ? symbol.name : 0;
}

void start_early(void)
{
    struct tl_ftrace_table table = {kernel_sites_begin, kernel_sites_end};
    enum tl_status status = tl_ftrace_open(&table, 1, name_of);
    if (status != TL_OK)
        tl_port_panic("ftrace does not begin");
}
#else
void start_early(void)
{
}
#endif

void start_rooms(void)
{
    if (tl_keys_here() != TL_OK)
        tl_port_panic("static keys do not begin");
#if KERNEL_KPROBES
    probe_begin(kgdb_breakpoint_in);
#endif
#if KERNEL_KGDB
    if (kgdb_begin()) {
        text_lock_taken = kgdb_breaks_hide;
        text_lock_leaving = kgdb_breaks_show;
    }
#endif
}
