/* SPDX-License-Identifier: MIT
 *
 * Fake text and the cores' views of it: the text half of the port. A view is, for each byte, the set of values that
 * stood there since this core last serialised; a fetch takes any of them. That is all the architecture promises.
 */
#include <port/sim/sim.h>
#include <string.h>
#include <trapline/port.h>

#define VALUES_MAX 8 /* of one byte between two serialisations */

struct view {
    uint8_t value[VALUES_MAX];
    uint8_t count;
};

static uint8_t memory[TL_SIM_TEXT_BYTES];
static bool unmapped[TL_SIM_TEXT_BYTES];
static struct view views[TL_SIM_CORES][TL_SIM_TEXT_BYTES];
static void (*watcher)(uintptr_t address, uint8_t before, uint8_t after);
static size_t used_from = TL_SIM_TEXT_BYTES, used_to;

static bool inside(uintptr_t address, size_t size)
{
    if (address < TL_SIM_TEXT || size > TL_SIM_TEXT_BYTES || address - TL_SIM_TEXT > TL_SIM_TEXT_BYTES - size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (unmapped[address - TL_SIM_TEXT + i])
            return false;
    return true;
}

static void use(size_t from, size_t to)
{
    used_from = from < used_from ? from : used_from;
    used_to = to > used_to ? to : used_to;
}

static void see_only(unsigned core, size_t at)
{
    views[core][at].value[0] = memory[at];
    views[core][at].count = 1;
}

static void may_see(unsigned core, size_t at, uint8_t value)
{
    struct view *view = &views[core][at];
    for (unsigned i = 0; i < view->count; i++)
        if (view->value[i] == value)
            return;
    TL_ASSERT(view->count < VALUES_MAX);
    view->value[view->count++] = value;
}

void tl_sim_text_set(uintptr_t address, const void *from, size_t size)
{
    size_t at = address - TL_SIM_TEXT;
    tl_sim_text_map(address, size, true);
    use(at, at + size);
    memcpy(memory + at, from, size);
    for (unsigned core = 0; core < TL_SIM_CORES; core++)
        for (size_t i = at; i < at + size; i++)
            see_only(core, i);
}

void tl_sim_text_get(uintptr_t address, void *to, size_t size)
{
    TL_ASSERT(inside(address, size));
    memcpy(to, memory + (address - TL_SIM_TEXT), size);
}

void tl_sim_text_map(uintptr_t address, size_t size, bool mapped)
{
    for (size_t i = 0; i < size; i++)
        unmapped[address - TL_SIM_TEXT + i] = !mapped;
}

void tl_sim_text_watch(void (*watch)(uintptr_t address, uint8_t before, uint8_t after))
{
    watcher = watch;
}

uint8_t tl_sim_fetch(unsigned core, uintptr_t address)
{
    TL_ASSERT(inside(address, 1));
    const struct view *view = &views[core][address - TL_SIM_TEXT];
    TL_ASSERT(view->count > 0);
    /* The newest first: what most cores do. */
    return view->value[view->count - 1 - tl_sim_choose(view->count)];
}

uint64_t tl_sim_text_state(void)
{
    uint64_t hash = 0;
    for (size_t at = used_from; at < used_to; at++) {
        hash = tl_sim_mix(hash, memory[at]);
        for (unsigned core = 0; core < TL_SIM_CORES; core++) {
            const struct view *view = &views[core][at];
            if (view->count < 2)
                continue;
            uint64_t set = 0; /* in whatever order they came */
            for (unsigned i = 0; i < view->count; i++)
                set += tl_sim_mix(core + 1, view->value[i]);
            hash = tl_sim_mix(hash, set);
        }
    }
    return hash;
}

enum tl_status tl_port_text_read(uintptr_t address, void *to, size_t size)
{
    tl_sim_stop("text_read", address, (unsigned)size);
    if (!inside(address, size))
        return TL_NO_TEXT;
    memcpy(to, memory + (address - TL_SIM_TEXT), size);
    return TL_OK;
}

static bool alone;

void tl_sim_text_alone(bool is)
{
    alone = is;
}

bool tl_port_text_alone(uintptr_t address)
{
    (void)address;
    return alone;
}

/* Byte by byte, upwards or downwards: a core, or a handler, can come between any two. */
enum tl_status tl_port_text_write(uintptr_t address, const void *from, size_t size)
{
    const uint8_t *bytes = from;
    tl_sim_stop("text_write", address, (unsigned)size);
    if (!inside(address, size))
        return TL_NO_TEXT;
    unsigned differ = 0;
    for (size_t i = 0; i < size; i++)
        differ += memory[address - TL_SIM_TEXT + i] != bytes[i];
    bool down = tl_sim_choose(differ > 1 ? 2 : 1) != 0;
    bool first = true;
    for (size_t k = 0; k < size; k++) {
        size_t i = down ? size - 1 - k : k, at = address - TL_SIM_TEXT + i;
        if (memory[at] == bytes[i])
            continue;
        if (!first)
            tl_sim_stop("  next byte", address + i, bytes[i]);
        first = false;
        use(at, at + 1);
        if (watcher)
            watcher(address + i, memory[at], bytes[i]);
        memory[at] = bytes[i];
        for (unsigned core = 0; core < TL_SIM_CORES; core++)
            may_see(core, at, bytes[i]);
    }
    return TL_OK;
}

void tl_port_serialize(void)
{
    for (unsigned core = 0; core < TL_SIM_CORES; core++) {
        if (core < 2) /* the order among more than two shows nothing new */
            tl_sim_stop("serialize core", 0, core);
        for (size_t at = used_from; at < used_to; at++)
            see_only(core, at);
    }
}

uint8_t tl_port_text_byte(uintptr_t address)
{
    tl_sim_stop("text_byte", address, 0);
    TL_ASSERT(inside(address, 1));
    return memory[address - TL_SIM_TEXT];
}
