/* SPDX-License-Identifier: MIT
 *
 * The shape of the decoder's tables: for each opcode a decision diagram over the encoding's fields, which ends in a
 * form: what the instruction is made of, and which field values it allows. The tables themselves are in
 * insn_table.c, written by tests/core/insn_gen.c; the one reader is insn.c. Integers only, no pointers: the tables
 * must need no relocation.
 */
#ifndef TL_CORE_INSN_TABLE_H
#define TL_CORE_INSN_TABLE_H

#include <stdint.h>

/* Opcode spaces: one row of 256 roots each. VEX, XOP, EVEX and MVEX start at their first map. */
enum tli_insn_space {
    TLI_SPACE_LEGACY = 0, /* one-byte, 0F, 0F 38, 0F 3A */
    TLI_SPACE_3DNOW = 4,  /* 0F 0F, by the suffix byte */
    TLI_SPACE_VEX = 5,    /* maps 0..3 */
    TLI_SPACE_XOP = 9,    /* maps 8..10 */
    TLI_SPACE_EVEX = 12,  /* maps 1..6 */
    TLI_SPACE_MVEX = 18,  /* maps 1..3 */
    TLI_SPACE_COUNT = 21,
};

/* The fields a diagram may ask for, packed into one word ("selector"), and where each lies in it. */
enum tli_insn_field {
    TLI_FIELD_MODE64,
    TLI_FIELD_PP,     /* none, 66, F3, F2, 66+F3, 66+F2; VEX and its like: their pp */
    TLI_FIELD_W,      /* REX.W and its like */
    TLI_FIELD_L,      /* VEX.L, EVEX.L'L */
    TLI_FIELD_B,      /* EVEX.b, MVEX.E */
    TLI_FIELD_DIRECT, /* ModRM.mod is 3 */
    TLI_FIELD_REG,    /* ModRM.reg */
    TLI_FIELD_RM,     /* ModRM.rm if mod is 3, else 0 */
    TLI_FIELD_COUNT,
};

enum {
    TLI_SHIFT_MODE64 = 0,
    TLI_SHIFT_PP = 1,
    TLI_SHIFT_W = 4,
    TLI_SHIFT_L = 5,
    TLI_SHIFT_B = 7,
    TLI_SHIFT_DIRECT = 8,
    TLI_SHIFT_REG = 9,
    TLI_SHIFT_RM = 12,
};

/* Bits of tli_insn_form.flags. */
enum {
    TLI_FORM_MODRM = 1 << 0,
    TLI_FORM_RELATIVE = 1 << 1,    /* the immediate is a relative branch operand */
    TLI_FORM_MOFFS = 1 << 2,       /* the immediate is an address, as wide as addresses are */
    TLI_FORM_LOCK = 1 << 3,        /* LOCK is allowed */
    TLI_FORM_DIRECT = 1 << 4,      /* registers whatever ModRM.mod says: no SIB, no displacement */
    TLI_FORM_SIB = 1 << 5,         /* memory operand only with a SIB byte */
    TLI_FORM_NO_RIP = 1 << 6,      /* no rip-relative operand */
    TLI_FORM_NO_ADDRSIZE = 1 << 7, /* no 67 prefix */
    TLI_FORM_VSIB = 1 << 8,        /* the index is a vector register: EVEX.V' counts to it */
    TLI_FORM_REG_NE_RM = 1 << 9,   /* these registers must differ; with a VSIB, the index takes the place of rm */
    TLI_FORM_REG_NE_V = 1 << 10,
    TLI_FORM_RM_NE_V = 1 << 11,
};

/* What an opcode is made of under one choice of the fields. A bit set in a mask: the value is allowed. */
struct tli_insn_form {
    uint16_t flags;
    uint8_t imm_size;
    uint8_t extension; /* by R'R in the low four bits, by XB in the high four */
    uint8_t opmask;    /* low four: by EVEX.z, aaa != 0 (MVEX: kkk != 0) */
    uint8_t sss;       /* by MVEX.SSS */
    uint8_t vvvv;      /* index into tli_insn_vvvv */
};

/* A reference below this is a form's index, form 0 being "not defined"; above, a node's place in tli_insn_nodes. */
#define TLI_REF_NODE 256

/* A node is the field it asks for, then a reference for each value of that field. */
extern const uint16_t tli_insn_roots[TLI_SPACE_COUNT][256];
extern const uint16_t tli_insn_nodes[];
extern const struct tli_insn_form tli_insn_forms[];
extern const uint32_t tli_insn_vvvv[]; /* sets of V'vvvv values, in register numbers (not inverted) */

#endif
