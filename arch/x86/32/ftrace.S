/* SPDX-License-Identifier: MIT
 *
 * The trampolines of ftrace: what a traced function's site calls, and what a hooked return returns to. They keep every
 * register and the flags (a compiler may know what a function leaves alone), make two frames so that an unwinder by
 * frame pointers sees the function and its caller, and pair calls with returns as the return predictor counts them.
 * Which callbacks run is core/ftrace's matter. Twin: arch/x86/64/ftrace.S.
 */
#include <ftrace.h>

        .text

/* At a site, before the function's own first instruction: (%esp) is the address behind the site, 4(%esp) the
 * function's return address. Afterwards, from %ebp: 0 the inner frame's link, 4 behind the site, 8 the caller's
 * %ebp, 12 the return address, 16 and 20 the two themselves. */
.macro FRAMES
        pushl   4(%esp)
        pushl   %ebp
        movl    %esp, %ebp
        pushl   8(%esp)
        pushl   %ebp
        movl    %esp, %ebp
.endm

/* Back from them; a ret then goes to wherever 16(%ebp) says by now; touches no flag. */
.macro BACK
        popl    %ebp
        leal    4(%esp), %esp
        popl    %ebp
        leal    4(%esp), %esp
.endm

/* tli_ftrace_call(site, &return address, regs, slot); regs is in %edx. slot: -1, or the trampoline's number. */
.macro TELL slot
        movl    16(%ebp), %eax
        subl    $TL_FTRACE_SITE_BYTES, %eax
        leal    20(%ebp), %ecx
        andl    $-16, %esp
.if \slot < 0
        pushl   $0
.else
        pushl   $tli_ftrace_slots + (\slot << TL_FTRACE_SLOT_SHIFT)
.endif
        pushl   %edx
        pushl   %ecx
        pushl   %eax
        call    tli_ftrace_call
.endm

.macro PLAIN_BACK
        leal    -16(%ebp), %esp
        popl    %edx
        popl    %ecx
        popl    %eax
        addb    $0x7f, %al
        sahf
        popl    %eax
        BACK
.endm

/* Keeps what C may change; the callback gets no registers. */
.macro PLAIN slot
        FRAMES
        pushl   %eax
        lahf
        seto    %al
        pushl   %eax
        pushl   %ecx
        pushl   %edx
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
        pushfl
        pushl   16(%ebp)                        /* ip */
        pushl   %edi
        pushl   %esi
        pushl   8(%ebp)                         /* the function's %ebp */
        pushl   %esp                            /* for now */
        pushl   %ebx
        pushl   %edx
        pushl   %ecx
        pushl   %eax
        leal    20(%ebp), %eax
        movl    %eax, 16(%esp)                  /* the function's %esp */
        movl    %esp, %edx
        movl    %esp, %ebx
        cld
        TELL    \slot
        movl    %ebx, %esp
        popl    %eax
        popl    %ecx
        popl    %edx
        popl    %ebx
        leal    4(%esp), %esp
        popl    8(%ebp)
        popl    %esi
        popl    %edi
        popl    16(%ebp)
        popfl
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

/* What a hooked function returns to: the return address is gone from the stack, the stack pointer is behind it (and
 * behind the place of a struct, if the function took that off). Calls tli_exit_return(&return address, values), which
 * puts the real one back. The ret that leads here took the predictor's entry of the function's call; the call at the
 * end gives one for the ret that leaves. */
FUNCTION tl_exit_trampoline
        pushl   $0
        pushl   %ebp
        movl    %esp, %ebp
        pushl   %eax
        lahf
        seto    %al
        pushl   %eax
        pushl   %ecx
        pushl   %edx
        pushl   -4(%ebp)
        movl    %esp, %edx
        leal    4(%ebp), %ecx
        andl    $-16, %esp
        subl    $8, %esp
        pushl   %edx
        pushl   %ecx
        call    tli_exit_return
        leal    -20(%ebp), %esp
        popl    -4(%ebp)
        popl    %edx
        popl    %ecx
        popl    %eax
        addb    $0x7f, %al
        sahf
        popl    %eax
        popl    %ebp
        call    1f
        int3
1:      leal    4(%esp), %esp
        ret

/* What -mfentry calls until the table is opened. */
        .globl  __fentry__
        .type   __fentry__, @function
        .balign 16
__fentry__:
        ret

        .section .note.GNU-stack, "", @progbits
