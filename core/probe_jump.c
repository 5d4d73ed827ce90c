/* SPDX-License-Identifier: MIT
 *
 * Whether a jump may stand under a probe, and the detour that it leads to: a call of the handlers, the instructions
 * that give way to the jump, a jump back. Thread context, probe's and text lock.
 *
 * A thread that is in the middle of these instructions, or comes there, is no danger: every byte of the jump that began
 * one traps, and leads to its copy (place.h). So nobody is waited for, and a branch that the scan has missed costs a
 * trap, no more. One that it finds keeps the int3: that way is the cheaper one.
 */
#include <code.h>
#include <core/key.h>
#include <core/move.h>
#include <core/place.h>
#include <core/poke.h>
#include <core/probe.h>
#include <trapline/port.h>

#define DETOUR_BYTES_MAX 256

/* The instructions that give way. */
struct window {
    uintptr_t address, begin, end; /* begin, end: its function's */
    uint8_t bytes[TLI_PROBE_WINDOW_MAX];
    unsigned size, count;
    struct tl_insn insn[TLI_SITE_BYTES];
    uint8_t offset[TLI_SITE_BYTES];
};

static bool branches(const struct tl_insn *insn)
{
    return insn->rel_size != 0 || insn->category == TL_INSN_CALL_IND || insn->category == TL_INSN_JMP_IND ||
           insn->category == TL_INSN_RET;
}

/* Calls only at the end: what they return to must be no trap. Nothing whose copy could differ. */
static bool can_give_way(const struct tl_insn *insn, bool last)
{
    if (branches(insn) && insn->flags & TL_INSN_OPSIZE)
        return false;
    switch (insn->category) {
    case TL_INSN_SYSCALL:
    case TL_INSN_FAR:
        return false; /* TL_INSN_TRAP and its like: tli_move() refuses them */
    case TL_INSN_OTHER:
    case TL_INSN_NOP:
    case TL_INSN_ENDBR:
    case TL_INSN_JCC:
    case TL_INSN_LOOP:
        return true;
    default:
        return last;
    }
}

static bool find_window(struct window *window)
{
    size_t left = window->end - window->address;
    size_t room = left < sizeof(window->bytes) ? left : sizeof(window->bytes);
    if (tli_probe_text_read(window->address, window->bytes, room) != TL_OK)
        return false;
    while (window->size < TLI_SITE_BYTES) {
        struct tl_insn *insn = &window->insn[window->count];
        if (tl_insn_decode(insn, window->bytes + window->size, room - window->size, TL_ARCH_MODE) != TL_OK)
            return false;
        window->offset[window->count++] = (uint8_t)window->size;
        window->size += insn->length;
        if (!can_give_way(insn, window->size >= TLI_SITE_BYTES))
            return false;
    }
    return true;
}

/* Nobody else has anything there, or could not change it without meeting the jump. */
static bool is_ours_alone(const struct tli_probe_point *point, unsigned size)
{
    uintptr_t address = point->site.address;
    if (tli_site_overlapping(address + 1, size - 1) || tl_port_trap_path(address, size) || tli_key_in(address, size) ||
        tli_probe_text.refuse(address, size) != TL_OK)
        return false;
    for (uintptr_t at = address + 1; at != address + size; at++) {
        const struct tli_probe_point *other = tli_probe_point_at(at);
        if ((other && other->probes) || tli_ftrace_find(at) != TLI_NO_RECORD)
            return false;
    }
    return true;
}

/* A branch of the function leads into the middle, or the function is not all instructions. */
static bool is_branched_into(const struct window *window)
{
    uint8_t bytes[TL_INSN_MAX_BYTES];
    struct tl_insn insn;
    for (uintptr_t at = window->begin; at < window->end; at += insn.length) {
        size_t left = window->end - at, size = left < sizeof(bytes) ? left : sizeof(bytes);
        if (tli_probe_text_read(at, bytes, size) != TL_OK || tl_insn_decode(&insn, bytes, size, TL_ARCH_MODE) != TL_OK)
            return true;
        if (insn.rel_size == 0)
            continue;
        uintptr_t offset = tli_branch_target(&insn, at) - window->address;
        if (offset != 0 && offset < window->size)
            return true;
    }
    return false;
}

static void emit(struct tli_probe_point *point, const struct window *window, struct tli_code *code)
{
    uint8_t call[TL_ARCH_PROBE_CALL_BYTES];
    tl_arch_probe_call(call, code->address, (uintptr_t)tl_probe_trampoline, (uintptr_t)point);
    tli_code_bytes(code, call, sizeof(call));
    for (unsigned i = 0; i < window->count; i++) {
        const struct tl_insn *insn = &window->insn[i];
        uintptr_t from = window->address + window->offset[i];
        point->site.label[window->offset[i]] = (uint16_t)code->size;
        tli_move(code, insn, window->bytes + window->offset[i], from,
                 insn->rel_size ? tli_branch_target(insn, from) : 0);
    }
    if (tli_falls_through(&window->insn[window->count - 1]))
        tli_code_jump(code, window->address + window->size);
}

static uint8_t starts_of(const struct window *window)
{
    uint8_t starts = 0;
    for (unsigned i = 0; i < window->count; i++)
        starts |= (uint8_t)(1u << window->offset[i]);
    return starts;
}

static bool make_detour(struct tli_probe_point *point, const struct window *window)
{
    uint8_t bytes[DETOUR_BYTES_MAX];
    struct tli_code count = {.address = window->address, .room = sizeof(bytes)};
    uintptr_t detour;
    emit(point, window, &count);
    if (count.status != TL_OK || tli_place_jump(window->address, starts_of(window), count.size, &detour) != TL_OK)
        return false;
    struct tli_code code = {.bytes = bytes, .address = detour, .room = sizeof(bytes)};
    emit(point, window, &code);
    if (code.status != TL_OK || tl_port_text_write(detour, bytes, code.size) != TL_OK) {
        tli_place_undo(detour, count.size);
        return false;
    }
    tl_port_serialize();
    point->site.stub = detour;
    point->site.starts = starts_of(window);
    point->detour_bytes = code.size;
    for (unsigned i = 0; i < window->size; i++)
        point->bytes[i] = window->bytes[i];
    point->window = (uint8_t)window->size;
    return true;
}

/* The detour serves for ever, unless the instructions behind the first have changed since. */
static bool detour_is_current(const struct tli_probe_point *point)
{
    uint8_t found[TLI_PROBE_WINDOW_MAX];
    if (tli_probe_text_read(point->site.address, found, point->window) != TL_OK)
        return false;
    for (unsigned i = 0; i < point->window; i++)
        if (found[i] != point->bytes[i])
            return false;
    return true;
}

bool tli_probe_jump_ready(struct tli_probe_point *point)
{
    if (point->window)
        return is_ours_alone(point, point->window) && detour_is_current(point);
    if (point->no_jump)
        return false;
    struct window window; /* field by field: a compiler may clear so much at once by a call of memset */
    size_t size;
    window.address = point->site.address;
    window.size = window.count = 0;
    point->no_jump = true;
    if (!tli_probe_text.function(window.address, &window.begin, &size))
        return false;
    window.end = window.begin + size;
    if (!find_window(&window) || is_branched_into(&window))
        return false;
    if (!is_ours_alone(point, window.size)) {
        point->no_jump = false; /* they may go */
        return false;
    }
    point->no_jump = !make_detour(point, &window);
    return !point->no_jump;
}
