/* SPDX-License-Identifier: MIT
 *
 * Memory as gdb reads and writes it: any address may be tried, one that is not mapped is refused. gdb's own breakpoints
 * are never seen. See kgdb_target.h.
 */
#include <core/site.h>
#include <kernel/kgdb_target.h>
#include <kernel/peek.h>
#include <kernel/text_lock.h>
#include <trapline/port.h>

/* Under a probe's int3, the byte that it stands for: gdb takes an int3 in the text for one of the program's own, and
 * does not step it but jumps over it. */
static void show_probed(uintptr_t address, uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const struct tli_site *site = bytes[i] == 0xcc ? tli_site_any(address + i) : NULL;
        /* relaxed: all CPUs are held, nobody changes it */
        if (site && TLI_SITE_MEANING(atomic_load_explicit(&site->state, memory_order_relaxed)) == TLI_SITE_INT3)
            bytes[i] = site->old_bytes[0];
    }
}

size_t kgdb_memory_read(uintptr_t address, void *to, size_t size)
{
    size_t got = peek(to, address, size);
    kgdb_break_show_original(address, to, got);
    show_probed(address, to, got);
    return got;
}

static bool write_some(uintptr_t address, const void *from, size_t size)
{
    if (peek_write(address, from, size) == size)
        return true;
    if (!text_lock_try())
        return false;
    /* Read-only: text, which the port knows how to write when nobody else is at it. */
    bool written = tl_port_text_write(address, from, size) == TL_OK;
    text_lock_give();
    return written;
}

bool kgdb_memory_write(uintptr_t address, const void *from, size_t size)
{
    const uint8_t *bytes = from;
    for (size_t done = 0, part; done < size; done += part) {
        uint8_t buffer[64];
        part = size - done < sizeof buffer ? size - done : sizeof buffer;
        for (size_t i = 0; i < part; i++)
            buffer[i] = bytes[done + i];
        kgdb_break_keep_original(address + done, buffer, part);
        if (!write_some(address + done, buffer, part))
            return false;
    }
    return true;
}
