/* SPDX-License-Identifier: MIT
 *
 * One x86 instruction, decoded as far as moving and emulating it needs: length,
 * prefixes, branch class, and where its relative operand, displacement and
 * immediate lie. No text, no operand semantics. Freestanding, no allocation, no
 * globals that change; callable from any context, NMI and signal handler included.
 */
#ifndef TRAPLINE_INSN_H
#define TRAPLINE_INSN_H

#include <stddef.h>
#include <stdint.h>
#include <trapline/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TL_INSN_MAX_BYTES 15

/* What an instruction does to the instruction pointer. */
enum tl_insn_class {
    TL_INSN_OTHER,    /* falls through to the next instruction */
    TL_INSN_NOP,      /* 90 (with or without 66 prefixes), 0F 1F /0, 0F 0D is not one; F3 90 (pause) is OTHER */
    TL_INSN_ENDBR,    /* F3 0F 1E FA and F3 0F 1E FB */
    TL_INSN_CALL_REL, /* E8 */
    TL_INSN_CALL_IND, /* FF /2: register or memory */
    TL_INSN_JMP_REL,  /* EB, E9 */
    TL_INSN_JMP_IND,  /* FF /4: register or memory */
    TL_INSN_JCC,      /* 70-7F, 0F 80-8F; the condition is in cc */
    TL_INSN_LOOP,     /* E0-E3: loopne, loope, loop, jcxz/jecxz/jrcxz */
    TL_INSN_XBEGIN,   /* C7 F8: relative abort target */
    TL_INSN_RET,      /* C3, C2 iw: near */
    TL_INSN_FAR,      /* far call, jmp, ret; iret, sysret, sysexit */
    TL_INSN_SYSCALL,  /* 0F 05, 0F 34, CD 80 */
    TL_INSN_INT3,     /* CC */
    TL_INSN_TRAP,     /* CD ib (not 80), F1, CE, 0F 0B, 0F B9, 0F FF: raises an exception */
    TL_INSN_HLT,      /* F4 */
};

/* Bits of tl_insn.flags. */
enum {
    TL_INSN_RIP_RELATIVE =
        1 << 0, /* 64-bit mode, ModRM mod 0 rm 5: the displacement counts from the next instruction */
    TL_INSN_LOCK = 1 << 1,
    TL_INSN_REP = 1 << 2,      /* F3 seen as a legacy prefix, mandatory or not */
    TL_INSN_REPNE = 1 << 3,    /* F2, bnd included */
    TL_INSN_OPSIZE = 1 << 4,   /* 66 */
    TL_INSN_ADDRSIZE = 1 << 5, /* 67 */
    TL_INSN_NOTRACK = 1 << 6,  /* 3E on an indirect call or jmp */
    TL_INSN_SEGMENT = 1 << 7,  /* FS or GS override in force */
};

enum tl_insn_mode { TL_MODE_32 = 32, TL_MODE_64 = 64 };

/* Offsets count bytes from the first prefix; a size of 0 means "has none".
 * map: 0 one-byte opcodes, 1 is 0F, 2 is 0F 38, 3 is 0F 3A; VEX, EVEX, XOP: their map number. */
struct tl_insn {
    uint8_t length;   /* 1..15 bytes */
    uint8_t category; /* enum tl_insn_class */
    uint8_t flags;
    uint8_t map;
    uint8_t opcode; /* last opcode byte */
    uint8_t opcode_offset;
    uint8_t rex; /* REX byte, or 0 */
    uint8_t modrm;
    uint8_t modrm_offset; /* 0: no ModRM */
    uint8_t disp_offset, disp_size;
    uint8_t imm_offset, imm_size; /* all immediates together (enter: 3, moffs counts as immediate) */
    uint8_t rel_offset, rel_size; /* relative branch operand; then imm_size is 0 */
    uint8_t cc;                   /* low four bits of a jcc's opcode */
    int32_t rel;                  /* relative operand, sign-extended */
    int32_t disp;                 /* ModRM displacement, sign-extended */
};

/* Decodes the instruction that starts at bytes[0]; never reads bytes[size] or beyond.
 * Agrees with the processor manuals (Intel SDM vol. 2, AMD APM vol. 3) on what is an instruction:
 * undefined opcodes, bad prefix combinations (LOCK without a lockable memory operand), and
 * anything over 15 bytes are TL_NO_INSTRUCTION, as is a buffer that ends too early.
 * On a refusal *out is all zero. */
enum tl_status tl_insn_decode(struct tl_insn *out, const uint8_t *bytes, size_t size, enum tl_insn_mode mode);

#ifdef __cplusplus
}
#endif

#endif
