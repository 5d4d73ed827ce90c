/* SPDX-License-Identifier: MIT
 *
 * The stub allocator. See place.h. Address space is taken in blocks of 1 MiB, when a stub wants to lie there; a bitmap
 * a block says which 16-byte granules are used.
 */
#include <code.h>
#include <core/place.h>
#include <stdbool.h>
#include <stddef.h>
#include <trapline/port.h>

#define BLOCK_BYTES (1u << 20)
#define GRANULE_BYTES 16u
#define GRANULES (BLOCK_BYTES / GRANULE_BYTES)
#define BLOCKS_MAX 8192u /* hash table of blocks; 8 GiB of stubs */

struct block {
    uintptr_t number; /* address / BLOCK_BYTES */
    uint32_t used;    /* granules */
    bool known, usable;
    uint32_t *map;
};

static struct block *blocks;
static uint32_t block_count;
static uint64_t mapped_bytes;

uint64_t tli_place_bytes(void)
{
    return mapped_bytes;
}

/* The block that holds address, mapped if it can be; NULL if it cannot. */
static struct block *block_at(uintptr_t address)
{
    if (!blocks) {
        blocks = tl_port_memory(BLOCKS_MAX * sizeof(*blocks));
        if (!blocks)
            return 0;
    }
    static struct block *last;
    uintptr_t number = address / BLOCK_BYTES;
    if (last && last->number == number)
        return last->usable ? last : 0;
    uint32_t slot = (uint32_t)(number * 2654435761u) % BLOCKS_MAX;
    while (blocks[slot].known && blocks[slot].number != number)
        slot = (slot + 1) % BLOCKS_MAX;
    struct block *block = &blocks[slot];
    if (!block->known) {
        if (number == 0 || block_count == BLOCKS_MAX * 3 / 4)
            return 0;
        uint32_t *map = tl_port_memory(GRANULES / 8);
        if (!map)
            return 0;
        block_count++;
        block->known = true;
        block->number = number;
        block->map = map;
        block->usable = tl_port_exec_map(number * BLOCK_BYTES, BLOCK_BYTES) == TL_OK;
        if (block->usable)
            mapped_bytes += BLOCK_BYTES;
        else
            tl_port_memory_free(map, GRANULES / 8);
    }
    last = block;
    return block->usable ? block : 0;
}

/* Number of granules from first on, at most wanted, that are all used or all free, a word at a time. */
static uint32_t run_of(const struct block *block, uint32_t first, uint32_t wanted, bool used)
{
    uint32_t n = 0;
    while (n < wanted && first + n < GRANULES) {
        uint32_t at = first + n, bit = at % 32;
        uint32_t others = (used ? ~block->map[at / 32] : block->map[at / 32]) >> bit;
        if (others) {
            n += (uint32_t)__builtin_ctz(others);
            break;
        }
        n += 32 - bit;
    }
    return n < wanted ? n : wanted;
}

static void mark(struct block *block, uint32_t first, uint32_t count, bool used)
{
    for (uint32_t i = first; i < first + count; i++) {
        if (used)
            block->map[i / 32] |= 1u << i % 32;
        else
            block->map[i / 32] &= ~(1u << i % 32);
    }
    block->used = used ? block->used + count : block->used - count;
}

static uint32_t granules_of(uintptr_t address, uint32_t size)
{
    return (uint32_t)((address + size - 1) / GRANULE_BYTES - address / GRANULE_BYTES) + 1;
}

/* Takes size bytes at exactly address if they are free; a stub does not cross a block's end. If not, *skip is how far
 * the next address worth trying is. */
static bool take(uintptr_t address, uint32_t size, uint32_t *skip)
{
    uint32_t offset = address % BLOCK_BYTES;
    if (offset + size > BLOCK_BYTES) {
        *skip = BLOCK_BYTES - offset;
        return false;
    }
    struct block *block = block_at(address);
    if (!block || block->used > GRANULES - size / GRANULE_BYTES) {
        *skip = BLOCK_BYTES - offset;
        return false;
    }
    uint32_t first = offset / GRANULE_BYTES, wanted = granules_of(address, size);
    uint32_t run = run_of(block, first, wanted, false);
    if (run < wanted) {
        run += run_of(block, first + run, GRANULES, true);
        *skip = run * GRANULE_BYTES - offset % GRANULE_BYTES;
        return false;
    }
    mark(block, first, wanted, true);
    return true;
}

void tli_place_undo(uintptr_t stub, uint32_t size)
{
    struct block *block = block_at(stub);
    TL_ASSERT(block);
    mark(block, stub % BLOCK_BYTES / GRANULE_BYTES, granules_of(stub, size), false);
}

/* Bytes that trap when executed. In the displacement's top byte they decide how far away the stub is. */
static const uint8_t traps_top[] = TL_ARCH_TRAPS_TOP;
static const uint8_t traps_low[] = TL_ARCH_TRAPS_LOW;
/* Top bytes when any will do: 256 MB below and further, then above, last close by. */
static const uint8_t free_top[] = {0xf0, 0xe8, 0xe0, 0xd8, 0xd0, 0xc8, 0xc0, 0xb8, 0xb0, 0xa8,
                                   0xa0, 0x98, 0x90, 0x40, 0x48, 0x50, 0x58, 0x60, 0x68, 0x38,
                                   0x30, 0x28, 0x20, 0x18, 0x10, 0xf8, 0xfc, 0xfe, 0x08, 0x04};

/* The choices for one byte of the displacement: a list, or all 256 values; from the first on, wrapping. */
struct choice {
    const uint8_t *list;
    uint32_t count;
    uint8_t first;
};

static uint8_t chosen(const struct choice *choice, uint32_t i)
{
    uint32_t at = (choice->first + i) % choice->count;
    return choice->list ? choice->list[at] : (uint8_t)at;
}

/* Where the search for this kind of site went well last time: neighbours want neighbours. */
static struct {
    uint8_t top[16]; /* index */
    uint8_t second[16];
    uint16_t low[16];
    uintptr_t hopeless[16]; /* where in steps of 4 MiB, from 1, nothing was found: the next site of the kind will find
                               nothing either */
} hint;

#define HOPELESS_STEP (1u << 22)

/* False if no byte of the 64 KiB at base can be had. */
static bool worth_trying(uintptr_t base)
{
    return block_at(base) || block_at(base + 0xffff);
}

/* All low halves (bytes 0 and 1) for a fixed upper half, from first on where there is a choice. */
static bool search_low(uintptr_t base, const struct choice *one, const struct choice *zero, uint32_t size,
                       uint32_t first, uintptr_t *stub)
{
    uint32_t skip;
    if (!one->list && !zero->list) { /* 64 KiB in a row */
        for (uint32_t low = first; low < 0x10000; low += skip) {
            *stub = base + low;
            if (take(*stub, size, &skip))
                return true;
        }
        return false;
    }
    for (uint32_t i = one->list ? 0 : first >> 8; i < one->count; i++) {
        uintptr_t row = base + ((uintptr_t)(one->list ? one->list[i] : i) << 8);
        uint32_t last = zero->list ? zero->count : 0x100;
        for (uint32_t k = 0; k < last; k += zero->list ? 1 : skip) {
            *stub = row + (zero->list ? zero->list[k] : k);
            if (take(*stub, size, &skip))
                return true;
        }
    }
    return false;
}

/* The first place among the choices; the low half begins at first where there is a choice. */
static bool search(uintptr_t from, const struct choice *byte, uint32_t first, uint32_t size, uintptr_t *stub)
{
    for (uint32_t top = 0; top < byte[3].count; top++) {
        for (uint32_t second = 0; second < byte[2].count; second++) {
            uint32_t upper = (uint32_t)chosen(&byte[3], top) << 24 | (uint32_t)chosen(&byte[2], second) << 16;
            uintptr_t base = from + (uintptr_t)(intptr_t)(int32_t)upper;
            /* Below address 0, or beyond the end of user addresses: not a place. */
            if ((upper >> 31) ? base > from : base < from)
                continue;
            if (worth_trying(base) && search_low(base, &byte[1], &byte[0], size, first, stub))
                return true;
            first = 0;
        }
    }
    return false;
}

static void choose_low(struct choice *byte, uint8_t starts)
{
    for (unsigned i = 0; i < 4; i++) {
        bool start = starts >> 1 >> i & 1;
        byte[i] = (struct choice){start ? traps_low : 0, start ? sizeof(traps_low) : 256, 0};
    }
}

enum tl_status tli_place_jump(uintptr_t site, uint8_t starts, uint32_t size, uintptr_t *stub)
{
    uintptr_t from = site + 5;
    unsigned kind = starts >> 1 & 15;
    struct choice byte[4];
    if (hint.hopeless[kind] == from / HOPELESS_STEP + 1)
        return TL_NO_MEMORY;
    choose_low(byte, starts);
    byte[3].list = kind & 8 ? traps_top : free_top;
    byte[3].count = kind & 8 ? sizeof(traps_top) : sizeof(free_top);
    byte[3].first = hint.top[kind];
    if (!byte[2].list)
        byte[2].first = hint.second[kind];
    if (!search(from, byte, hint.low[kind], size, stub)) {
        hint.hopeless[kind] = from / HOPELESS_STEP + 1;
        return TL_NO_MEMORY;
    }
    uint32_t distance = (uint32_t)(*stub - from);
    while (chosen(&byte[3], 0) != distance >> 24)
        byte[3].first++;
    hint.top[kind] = (uint8_t)(byte[3].first % byte[3].count);
    hint.second[kind] = (uint8_t)(distance >> 16);
    hint.low[kind] = (uint16_t)distance;
    return TL_OK;
}

enum tl_status tli_place_short(uintptr_t site, uint8_t starts, const uint8_t *bytes, unsigned own, uint32_t size,
                               uintptr_t *stub)
{
    struct choice byte[4];
    choose_low(byte, starts);
    for (unsigned i = own; i < 5; i++) {
        byte[i - 1].list = &bytes[i];
        byte[i - 1].count = 1;
    }
    return search(site + 5, byte, 0, size, stub) ? TL_OK : TL_NO_MEMORY;
}

enum tl_status tli_place_near(uintptr_t site, uint32_t size, uintptr_t *stub)
{
    return tli_place_jump(site, 1, size, stub);
}
