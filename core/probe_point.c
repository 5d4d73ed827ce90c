/* SPDX-License-Identifier: MIT
 *
 * Making points: what may be probed, and the copies of an instruction that run in its place. Thread context. What is
 * written over the instruction is probe_text.c's matter.
 */
#include <core/emulate.h>
#include <core/key.h>
#include <core/move.h>
#include <core/place.h>
#include <core/probe.h>
#include <core/slab.h>
#include <trapline/port.h>

#define INT3 0xcc
#define CHUNK_BYTES 4096u /* of slots */

struct tl_probe_text tli_probe_text;

/* The bytes that a point has written over the text at address, undone. */
static void undo(const struct tli_probe_point *point, uintptr_t address, uint8_t *bytes, size_t size)
{
    enum tl_probe_how how = tli_probe_how(point);
    unsigned written = how == TL_PROBE_BY_INT3 ? 1 : how == TL_PROBE_BY_JUMP ? TLI_SITE_BYTES : 0;
    for (unsigned i = 0; i < written; i++)
        if (point->site.address + i - address < size)
            bytes[point->site.address + i - address] = point->bytes[i];
}

enum tl_status tli_probe_text_read(uintptr_t address, uint8_t *bytes, size_t size)
{
    enum tl_status status = tl_port_text_read(address, bytes, size);
    for (uintptr_t at = address - (TLI_SITE_BYTES - 1); status == TL_OK && at != address + size; at++) {
        const struct tli_probe_point *point = tli_probe_point_at(at);
        if (point)
            undo(point, address, bytes, size);
    }
    return status;
}

/* The instruction at address. Where it is the text's last, there are fewer bytes to read. */
static enum tl_status decode(uintptr_t address, size_t size, uint8_t *bytes, struct tl_insn *insn)
{
    size = size < TL_INSN_MAX_BYTES ? size : TL_INSN_MAX_BYTES;
    enum tl_status status = tli_probe_text_read(address, bytes, size);
    return status == TL_OK ? tl_insn_decode(insn, bytes, size, TL_ARCH_MODE) : status;
}

/* From the function's first byte on, the instruction at address into point. */
static enum tl_status find_start(struct tli_probe_point *point, uintptr_t begin, size_t size)
{
    uintptr_t at = begin, address = point->site.address;
    enum tl_status status;
    while ((status = decode(at, begin + size - at, point->bytes, &point->insn)) == TL_OK && at < address)
        at += point->insn.length;
    if (status == TL_NO_INSTRUCTION || (status == TL_OK && at != address))
        return TL_NO_START;
    return status;
}

/* Loads of ss keep the breakpoint behind them out; what looks at its own address, or leaves without an end, would be
 * told of it wrongly. */
static bool can_copy(const struct tl_insn *insn)
{
    bool loads_ss = insn->map == 0 && ((insn->opcode == 0x8e && (insn->modrm >> 3 & 7) == 2) ||
                                       (insn->opcode == 0x17 && insn->category == TL_INSN_OTHER));
    return !loads_ss && (insn->category == TL_INSN_OTHER || insn->category == TL_INSN_HLT);
}

/* 64 bytes for copies, near enough to address; 0: none. */
static uintptr_t slot_take(uintptr_t address)
{
    static uintptr_t next, end;
    intptr_t far = (intptr_t)(next - address);
    if (next == end || far != (int32_t)far) {
        uintptr_t chunk;
        if (tli_place_near(address, CHUNK_BYTES, &chunk) != TL_OK)
            return 0;
        next = (chunk + TLI_PROBE_SLOT_BYTES - 1) & ~(uintptr_t)(TLI_PROBE_SLOT_BYTES - 1);
        end = (chunk + CHUNK_BYTES) & ~(uintptr_t)(TLI_PROBE_SLOT_BYTES - 1);
    }
    next += TLI_PROBE_SLOT_BYTES;
    return next - TLI_PROBE_SLOT_BYTES;
}

static enum tl_status make_slot(struct tli_probe_point *point)
{
    uint8_t bytes[TLI_PROBE_SLOT_BYTES];
    uintptr_t slot = slot_take(point->site.address), from = point->site.address;
    if (!slot)
        return TL_NO_MEMORY;
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = INT3;
    for (unsigned copy = 0; copy < 3; copy++) {
        unsigned at = copy * TLI_PROBE_COPY_BYTES;
        struct tli_code code = {.bytes = bytes + at, .address = slot + at, .room = sizeof(bytes) - at};
        tli_move(&code, &point->insn, point->bytes, from, 0);
        TL_ASSERT(code.status != TL_OK || code.size == point->insn.length);
        if (at == TLI_PROBE_BACK)
            tli_code_jump(&code, from + point->insn.length);
        if (code.status != TL_OK)
            return code.status;
    }
    enum tl_status status = tl_port_text_write(slot, bytes, sizeof(bytes));
    tl_port_serialize();
    if (status == TL_OK)
        point->slot = slot;
    return status;
}

/* Somebody else's site holds the byte. */
static bool is_foreign(uintptr_t address)
{
    for (unsigned i = 0; i < TLI_SITE_BYTES; i++) {
        const struct tli_probe_point *point = tli_probe_point_at(address - i);
        enum tl_probe_how how = point ? tli_probe_how(point) : TL_PROBE_BY_NOTHING;
        if (how == TL_PROBE_BY_JUMP || (how == TL_PROBE_BY_INT3 && i == 0))
            return false;
    }
    return tli_ftrace_find(address) == TLI_NO_RECORD && tli_site_overlapping(address, 1);
}

/* Fills point for its address; begin and size are its function's. Text lock held. */
static enum tl_status fill(struct tli_probe_point *point, uintptr_t begin, size_t size)
{
    uintptr_t address = point->site.address;
    point->site.size = 1;
    point->site.starts = 1;
    atomic_store_explicit(&point->site.state, TLI_SITE_GONE, memory_order_relaxed); /* relaxed: nobody sees it yet */
    if (tli_ftrace_find(address) != TLI_NO_RECORD)
        return TL_OK;
    enum tl_status status = find_start(point, begin, size);
    if (status != TL_OK)
        return status;
    if (tl_port_trap_path(address, point->insn.length))
        return TL_TRAP_PATH;
    if (is_foreign(address) || tli_key_in(address, point->insn.length))
        return TL_OVERLAP;
    if (tli_can_emulate(&point->insn))
        return TL_OK;
    return can_copy(&point->insn) ? make_slot(point) : TL_CANNOT_MOVE;
}

/* True if the text at point's address is still what it was made from. */
static bool is_current(const struct tli_probe_point *point)
{
    uint8_t found[TL_INSN_MAX_BYTES];
    if (point->insn.length == 0)
        return true; /* an ftrace site */
    if (tli_probe_text_read(point->site.address, found, point->insn.length) != TL_OK)
        return false;
    for (unsigned i = 0; i < point->insn.length; i++)
        if (found[i] != point->bytes[i])
            return false;
    return true;
}

static enum tl_status find_or_make(uintptr_t address, uintptr_t begin, size_t size, struct tli_probe_point **point)
{
    *point = tli_probe_point_at(address);
    if (*point && ((*point)->probes || (is_current(*point) && !is_foreign(address))))
        return tli_key_in(address, 1) ? TL_OVERLAP : TL_OK;
    static struct tli_probe_point *spare; /* of a refusal */
    struct tli_probe_point *made = spare ? spare : tli_slab_take(sizeof(*made));
    spare = 0;
    if (!made)
        return TL_NO_MEMORY;
    made->site.address = address;
    enum tl_status status = fill(made, begin, size);
    if (status == TL_OK) {
        tli_probe_point_publish(made);
        *point = made;
    } else {
        made->slot = 0;
        made->insn.length = 0;
        spare = made;
    }
    return status;
}

enum tl_status tli_probe_point_for(uintptr_t address, struct tli_probe_point **point)
{
    uintptr_t begin;
    size_t size;
    uint8_t byte;
    if (!tli_probe_text.function(address, &begin, &size))
        return TL_NO_TEXT;
    if (tl_port_trap_path(address, 1))
        return TL_TRAP_PATH;
    enum tl_status status = tli_probe_text.refuse(address, 1);
    if (status != TL_OK)
        return status;
    tl_port_text_lock();
    status = tl_port_text_read(address, &byte, 1);
    if (status == TL_OK)
        status = find_or_make(address, begin, size, point);
    tl_port_text_unlock();
    return status;
}
