/* SPDX-License-Identifier: MIT
 *
 * Text in ring 0: read as it stands, written through a window that the kernel opens for this CPU alone. No page that is
 * executable is writable for anybody else, at no time. The poker's CPU reaches it at two addresses meanwhile, one of
 * them writable, none both.
 */
#include <core/section.h>
#include <port/ring0/ring0.h>
#include <trapline/port.h>

enum { PAGE_BYTES = 4096, WRITTEN_MAX = 1024 };

/* How much of size lies in the page of address. */
static size_t part_of(uintptr_t address, size_t size)
{
    size_t left = PAGE_BYTES - address % PAGE_BYTES;
    return size < left ? size : left;
}

enum tl_status tl_port_text_read(uintptr_t address, void *to, size_t size)
{
    uint8_t *bytes = to;
    if (!ring0_is_text(address, size))
        return TL_NO_TEXT;
    for (size_t i = 0; i < size; i++)
        bytes[i] = ((const volatile uint8_t *)address)[i];
    return TL_OK;
}

static enum tl_status write_text(uintptr_t address, const volatile uint8_t *bytes, size_t size)
{
    for (size_t done = 0, part; done < size; done += part) {
        part = part_of(address + done, size - done);
        uint64_t state = tl_port_interrupts_off();
        volatile uint8_t *to = ring0_window_open(address + done, part);
        for (size_t i = 0; to && i < part; i++)
            to[i] = bytes[done + i];
        if (to)
            ring0_window_close();
        tl_port_interrupts_restore(state);
        if (!to)
            return TL_NO_TEXT;
    }
    return TL_OK;
}

/* What was written since the CPUs have serialised last; those beyond the first so many are not kept. */
static struct {
    uintptr_t address;
    size_t size;
} written[WRITTEN_MAX];
static size_t written_count;

bool tl_port_text_alone(uintptr_t address)
{
    (void)address;
    return false;
}

enum tl_status tl_port_text_write(uintptr_t address, const void *from, size_t size)
{
    if (written_count < WRITTEN_MAX) {
        written[written_count].address = address;
        written[written_count++].size = size;
    }
    return write_text(address, from, size);
}

/* An emulator (QEMU 7.2 with a thread a CPU) may have begun to translate the old bytes, and keep the translation: no
 * serialising instruction makes it go, a write does. By now every CPU has left the translator since the first write. */
void ring0_text_settle(void)
{
    size_t count = written_count;
    written_count = 0;
    for (size_t i = 0; i < count; i++) /* one that has gone from memory since is nobody's matter */
        (void)write_text(written[i].address, (const volatile uint8_t *)written[i].address, written[i].size);
}

TLI_TRAP uint8_t tl_port_text_byte(uintptr_t address)
{
    return *(const volatile uint8_t *)address;
}

bool tl_port_trap_path(uintptr_t address, size_t size)
{
    return address < (uintptr_t)ring0_trap_end && address + size > (uintptr_t)ring0_trap_begin;
}
