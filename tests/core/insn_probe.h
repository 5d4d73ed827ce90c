/* SPDX-License-Identifier: MIT
 *
 * The questions that insn_gen.c asks Zydis, and the bytes that ask them. Included there, nowhere else.
 */
#ifndef TL_TESTS_CORE_INSN_PROBE_H
#define TL_TESTS_CORE_INSN_PROBE_H

#include <core/insn_table.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* One question. Register extensions and vvvv in register numbers, as in core/insn.c. */
struct probe {
    unsigned mode64, space, opcode, pp, w, l, b, modrm, sib, r, x, b_rm, r_high, vvvv, z, aaa, sss, lock, addrsize;
};

static bool is_legacy(const struct probe *p)
{
    return p->space < TLI_SPACE_VEX;
}

static size_t vector_put(uint8_t *out, const struct probe *p)
{
    uint8_t p0 = (uint8_t)(!p->r << 7 | !p->x << 6 | !p->b_rm << 5);
    uint8_t p1 = (uint8_t)(p->w << 7 | (~p->vvvv & 15) << 3 | p->pp);
    uint8_t v_high = !(p->vvvv & 16) << 3;
    if (p->space < TLI_SPACE_EVEX) {
        bool xop = p->space >= TLI_SPACE_XOP;
        out[0] = xop ? 0x8f : 0xc4;
        out[1] = p0 | (uint8_t)(xop ? p->space - TLI_SPACE_XOP + 8 : p->space - TLI_SPACE_VEX);
        out[2] = (uint8_t)(p1 | p->l << 2);
        return 3;
    }
    out[0] = 0x62;
    if (p->space < TLI_SPACE_MVEX) {
        out[1] = p0 | (uint8_t)(!p->r_high << 4 | (p->space - TLI_SPACE_EVEX + 1));
        out[2] = p1 | 4;
        out[3] = (uint8_t)(p->z << 7 | p->l << 5 | p->b << 4 | v_high | p->aaa);
    } else {
        out[1] = p0 | (uint8_t)(!p->r_high << 4 | (p->space - TLI_SPACE_MVEX + 1));
        out[2] = p1;
        out[3] = (uint8_t)(p->b << 7 | p->sss << 4 | v_high | p->aaa);
    }
    return 4;
}

static size_t legacy_put(uint8_t *out, const struct probe *p)
{
    size_t n = 0;
    unsigned rex = p->w << 3 | p->r << 2 | p->x << 1 | p->b_rm;
    if (p->pp == 1 || p->pp >= 4)
        out[n++] = 0x66;
    if (p->pp >= 2)
        out[n++] = p->pp & 1 ? 0xf2 : 0xf3;
    if (rex)
        out[n++] = (uint8_t)(0x40 | rex);
    if (p->space)
        out[n++] = 0x0f;
    if (p->space == 2 || p->space == 3)
        out[n++] = p->space == 2 ? 0x38 : 0x3a;
    if (p->space == TLI_SPACE_3DNOW)
        out[n++] = 0x0f;
    return n;
}

/* Bytes that ask for p, padded with zero; false: this mode has no such bytes. */
static bool probe_put(uint8_t out[15], const struct probe *p)
{
    size_t n = 0;
    memset(out, 0, 15);
    if (!p->mode64 && (p->r || p->x) && !(p->space >= TLI_SPACE_XOP && p->space < TLI_SPACE_EVEX))
        return false;
    if (is_legacy(p) && (p->r_high || p->vvvv || (!p->mode64 && (p->w || p->b_rm))))
        return false;
    if (!is_legacy(p) && p->space < TLI_SPACE_EVEX && (p->r_high || p->vvvv > 15))
        return false;
    if (!p->mode64 && p->space >= TLI_SPACE_MVEX)
        return false;
    if (p->lock)
        out[n++] = 0xf0;
    if (p->addrsize)
        out[n++] = 0x67;
    n += is_legacy(p) ? legacy_put(out + n, p) : vector_put(out + n, p);
    if (p->space != TLI_SPACE_3DNOW)
        out[n++] = (uint8_t)p->opcode;
    out[n++] = (uint8_t)p->modrm;
    if (p->modrm < 0xc0 && (p->modrm & 7) == 4 && (p->mode64 || !p->addrsize))
        out[n++] = (uint8_t)p->sib;
    if (p->space == TLI_SPACE_3DNOW) {
        unsigned rm = p->modrm & 0xc7;
        out[n + (rm == 5 ? 4 : p->modrm >> 6 == 2 ? 4 : p->modrm >> 6 == 1)] = (uint8_t)p->opcode;
    }
    return true;
}

#endif
