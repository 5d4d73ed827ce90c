/* SPDX-License-Identifier: MIT
 *
 * The trampolines of ftrace: what a traced function's site calls, and what a hooked return returns to. They keep every
 * register and the flags (a compiler may know what a function leaves alone), make two frames so that an unwinder by
 * frame pointers sees the function and its caller, and pair calls with returns as the return predictor counts them.
 * Which callbacks run is core/ftrace's matter. Twin: arch/x86/32/ftrace.S.
 */
#include <ftrace.h>

        .text

/* At a site, before the function's own first instruction: (%rsp) is the address behind the site, 8(%rsp) the
 * function's return address. Afterwards, from %rbp: 0 the inner frame's link, 8 behind the site, 16 the caller's
 * %rbp, 24 the return address, 32 and 40 the two themselves. */
.macro FRAMES
        pushq   8(%rsp)
        pushq   %rbp
        movq    %rsp, %rbp
        pushq   16(%rsp)
        pushq   %rbp
        movq    %rsp, %rbp
.endm

/* Back from them; a ret then goes to wherever 32(%rbp) says by now; touches no flag. */
.macro BACK
        popq    %rbp
        leaq    8(%rsp), %rsp
        popq    %rbp
        leaq    8(%rsp), %rsp
.endm

/* tli_ftrace_call(site, &return address, regs, slot). slot: -1, or the trampoline's number. */
.macro TELL slot
        movq    32(%rbp), %rdi
        subq    $TL_FTRACE_SITE_BYTES, %rdi
        leaq    40(%rbp), %rsi
.if \slot < 0
        xorl    %ecx, %ecx
.else
        leaq    tli_ftrace_slots + (\slot << TL_FTRACE_SLOT_SHIFT)(%rip), %rcx
.endif
        andq    $-16, %rsp
        call    tli_ftrace_call
.endm

.macro PLAIN_BACK
        leaq    -80(%rbp), %rsp
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %rcx
        popq    %rax
        addb    $0x7f, %al
        sahf
        popq    %rax
        BACK
.endm

/* Keeps what C may change; the callback gets no registers. */
.macro PLAIN slot
        FRAMES
        pushq   %rax
        lahf
        seto    %al
        pushq   %rax
        pushq   %rcx
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        xorl    %edx, %edx
        TELL    \slot
        testb   %al, %al
        jnz     .Lagain
        PLAIN_BACK
        ret
.endm

/* Makes a complete struct tl_regs; the callback may change it, ip included. */
.macro REGS slot
        FRAMES
        pushfq
        pushq   32(%rbp)                        /* ip */
        pushq   %r15
        pushq   %r14
        pushq   %r13
        pushq   %r12
        pushq   %r11
        pushq   %r10
        pushq   %r9
        pushq   %r8
        pushq   %rdi
        pushq   %rsi
        pushq   16(%rbp)                        /* the function's %rbp */
        pushq   %rsp                            /* for now */
        pushq   %rbx
        pushq   %rdx
        pushq   %rcx
        pushq   %rax
        leaq    40(%rbp), %rax
        movq    %rax, 32(%rsp)                  /* the function's %rsp */
        movq    %rsp, %rdx
        movq    %rsp, %rbx
        cld
        TELL    \slot
        movq    %rbx, %rsp
        popq    %rax
        popq    %rcx
        popq    %rdx
        popq    %rbx
        leaq    8(%rsp), %rsp
        popq    16(%rbp)
        popq    %rsi
        popq    %rdi
        popq    %r8
        popq    %r9
        popq    %r10
        popq    %r11
        popq    %r12
        popq    %r13
        popq    %r14
        popq    %r15
        popq    32(%rbp)
        popfq
        BACK
        ret
.endm

.macro FUNCTION name
        .globl  \name
        .hidden \name
        .type   \name, @function
        .balign 16
\name:
.endm

/* From a trampoline without registers to the one with them, as if nothing had been. Far from the slots: their
 * jumps are of one size. */
.Lagain:
        PLAIN_BACK
        jmp     tl_ftrace_list_regs

FUNCTION tl_ftrace_list
        PLAIN   -1
FUNCTION tl_ftrace_list_regs
        REGS    -1

/* One for each slot, all of one size. */
FUNCTION tl_ftrace_direct
        .set    .Lnumber, 0
        .rept   TL_FTRACE_SLOTS
        .balign 16
        PLAIN   .Lnumber
        .set    .Lnumber, .Lnumber + 1
        .endr
        .balign 16
FUNCTION tl_ftrace_direct_regs
        .set    .Lnumber, 0
        .rept   TL_FTRACE_SLOTS
        .balign 16
        REGS    .Lnumber
        .set    .Lnumber, .Lnumber + 1
        .endr
        .balign 16
FUNCTION tl_ftrace_direct_end
        ud2

/* What a hooked function returns to: the return address is gone from the stack, the stack pointer is behind it. Calls
 * tli_exit_return(&return address, values), which puts the real one back. The ret that leads here took the predictor's
 * entry of the function's call; the call at the end gives one for the ret that leaves. */
FUNCTION tl_exit_trampoline
        pushq   $0
        pushq   %rbp
        movq    %rsp, %rbp
        pushq   %rax
        lahf
        seto    %al
        pushq   %rax
        pushq   %rcx
        pushq   %rsi
        pushq   %rdi
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        pushq   %rdx
        pushq   -8(%rbp)
        leaq    8(%rbp), %rdi
        movq    %rsp, %rsi
        andq    $-16, %rsp
        call    tli_exit_return
        leaq    -88(%rbp), %rsp
        popq    -8(%rbp)
        popq    %rdx
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rdi
        popq    %rsi
        popq    %rcx
        popq    %rax
        addb    $0x7f, %al
        sahf
        popq    %rax
        popq    %rbp
        call    1f
        int3
1:      leaq    8(%rsp), %rsp
        ret

/* What -mfentry calls until the table is opened. */
        .globl  __fentry__
        .type   __fentry__, @function
        .balign 16
__fentry__:
        ret

        .section .note.GNU-stack, "", @progbits
