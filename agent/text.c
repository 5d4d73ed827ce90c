/* SPDX-License-Identifier: MIT
 *
 * Text read a page at a time: sites come in the order of their addresses, ten and more of them to a page, and a system
 * call takes longer than to copy one. Called by arm.c.
 */
#include <agent/agent.h>
#include <port/linux/linux.h>
#include <trapline/port.h>

static struct {
    uintptr_t page; /* 0: none */
    uint8_t bytes[TLI_PAGE];
} last;

void tli_agent_text_forget(void)
{
    last.page = 0;
}

/* The bytes at address, in the page or read into own; NULL: there are none. */
static const uint8_t *look(uintptr_t address, uint8_t *own, size_t size)
{
    uintptr_t page = address & ~(uintptr_t)(TLI_PAGE - 1);
    bool whole = address + size <= page + TLI_PAGE;
    if (whole && page != last.page)
        last.page = tl_port_text_read(page, last.bytes, TLI_PAGE) == TL_OK ? page : 0;
    if (whole && page == last.page)
        return last.bytes + (address - page);
    return tl_port_text_read(address, own, size) == TL_OK ? own : 0;
}

enum tl_status tli_agent_text_is(uintptr_t address, const uint8_t *bytes, size_t size)
{
    uint8_t own[TL_SITE_MAX_BYTES];
    const uint8_t *found = look(address, own, size);
    if (!found)
        return TL_NO_TEXT;
    for (size_t i = 0; i < size; i++)
        if (found[i] != bytes[i])
            return TL_TEXT_DIFFERS;
    return TL_OK;
}
