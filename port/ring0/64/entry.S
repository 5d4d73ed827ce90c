/* SPDX-License-Identifier: MIT
 *
 * The way into and out of a trap on x86-64. The CPU has pushed ss, rsp, flags, cs and ip; an int3 from kernel mode gets
 * a copy of that five words lower, so that a call can be emulated on the interrupted stack. Twin:
 * port/ring0/32/entry.S.
 */
#include <ptregs.h>

        .section .text.trap, "ax", @progbits

/* 0 vector, 8 error code, 16 ip, 24 cs, 32 flags, 40 sp, 48 ss becomes struct pt_regs. */
.macro SAVE
        pushq   32(%rsp)                /* flags */
        pushq   24(%rsp)                /* ip */
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
        pushq   %rbp
        pushq   144(%rsp)               /* sp */
        pushq   %rbx
        pushq   %rdx
        pushq   %rcx
        pushq   %rax
        cld
        movq    %rsp, %rdi
        movq    %rsp, %rbx
        andq    $-16, %rsp
.endm

/* Vectors 0 to 255, 16 bytes each; 8, 10 to 14, 17, 21, 29 and 30 come with an error code. */
        .globl  ring0_vectors
        .hidden ring0_vectors
        .balign 16
ring0_vectors:
        .set    .Lvector, 0
        .rept   256
        .balign 16
        .if     .Lvector == 3
        jmp     int3_entry
        .else
        .set    .Lcoded, .Lvector == 8 || (.Lvector >= 10 && .Lvector <= 14) || .Lvector == 17
        .if     !(.Lcoded || .Lvector == 21 || .Lvector == 29 || .Lvector == 30)
        pushq   $0
        .endif
        pushq   $.Lvector
        jmp     trap_entry
        .endif
        .set    .Lvector, .Lvector + 1
        .endr

        .balign 16
        .type   trap_entry, @function
trap_entry:
        SAVE
        call    ring0_trap
        .globl  ring0_leave
        .hidden ring0_leave
ring0_leave:                            /* rbx: the frame */
        movq    %rbx, %rsp
        movq    PTREGS_IP(%rsp), %rax
        movq    %rax, PTREGS_IRET_IP(%rsp)
        movq    PTREGS_FLAGS(%rsp), %rax
        movq    %rax, PTREGS_IRET_FLAGS(%rsp)
        movq    PTREGS_SP(%rsp), %rax
        movq    %rax, PTREGS_IRET_SP(%rsp)
        popq    %rax
        popq    %rcx
        popq    %rdx
        popq    %rbx
        addq    $8, %rsp
        popq    %rbp
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
        addq    $32, %rsp
        iretq
        .size   trap_entry, . - trap_entry

        .balign 16
        .type   int3_entry, @function
int3_entry:
        testb   $3, 8(%rsp)
        jnz     1f
        .rept   5                       /* the gap: what is left behind */
        pushq   32(%rsp)
        .endr
1:      pushq   $0
        pushq   $3
        SAVE
        xorl    %esi, %esi
        call    do_int3
        jmp     ring0_leave
        .size   int3_entry, . - int3_entry

        .section .note.GNU-stack, "", @progbits
