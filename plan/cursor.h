/* SPDX-License-Identifier: MIT
 *
 * A bounded reader of the encodings that .eh_frame and language-specific data share (LEB128, encoded pointers).
 * A read behind the end gives 0 and makes the cursor bad; nobody needs to check before the end.
 */
#ifndef TL_PLAN_CURSOR_H
#define TL_PLAN_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { TLI_PE_ABSOLUTE = 0x00, TLI_PE_PCREL = 0x10, TLI_PE_INDIRECT = 0x80, TLI_PE_OMIT = 0xff };

struct tli_cursor {
    const uint8_t *at, *end;
    uint64_t address; /* of at */
    bool bad;
};

static inline uint64_t tli_take(struct tli_cursor *c, size_t size)
{
    uint64_t value = 0;
    if ((size_t)(c->end - c->at) < size) {
        c->bad = true;
        c->at = c->end;
        return 0;
    }
    memcpy(&value, c->at, size);
    c->at += size;
    c->address += size;
    return value;
}

static inline uint64_t tli_take_uleb(struct tli_cursor *c)
{
    uint64_t value = 0;
    for (unsigned shift = 0; !c->bad; shift += 7) {
        uint64_t byte = tli_take(c, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    return value;
}

static inline int64_t tli_take_sleb(struct tli_cursor *c)
{
    uint64_t value = 0, byte = 0;
    unsigned shift = 0;
    do {
        byte = tli_take(c, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80 && !c->bad);
    if (shift < 64 && byte & 0x40)
        value |= ~UINT64_C(0) << shift;
    return (int64_t)value;
}

/* What an encoded pointer says, without following an indirect one. Other bases than pc-relative do not occur on x86-64.
 */
static inline uint64_t tli_take_encoded(struct tli_cursor *c, uint8_t encoding)
{
    uint64_t base = (encoding & 0x70) == TLI_PE_PCREL ? c->address : 0;
    uint64_t value;
    if (encoding == TLI_PE_OMIT)
        return 0;
    switch (encoding & 0x0f) {
    case 0x01:
        value = tli_take_uleb(c);
        break;
    case 0x02:
        value = tli_take(c, 2);
        break;
    case 0x03:
        value = tli_take(c, 4);
        break;
    case 0x09:
        value = (uint64_t)tli_take_sleb(c);
        break;
    case 0x0a:
        value = (uint64_t)(int64_t)(int16_t)tli_take(c, 2);
        break;
    case 0x0b:
        value = (uint64_t)(int64_t)(int32_t)tli_take(c, 4);
        break;
    case 0x00:
    case 0x04:
    case 0x0c:
        value = tli_take(c, 8);
        break;
    default:
        c->bad = true;
        return 0;
    }
    return value ? value + base : 0;
}

#endif
