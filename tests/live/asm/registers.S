/* SPDX-License-Identifier: MIT
 *
 * Calls a function with every register and flag set as a struct state says and notes what is in them afterwards; and
 * the functions to call, which change nothing or exactly what their name says. Called by programs/registers.c.
 *
 * struct state: 15 general registers (rax rbx rcx rdx rsi rdi rbp r8..r15), flags, rsp minus its value before, 16
 * times 32 bytes of vector registers.
 */
#include "function.inc"
#define FLAGS 120
#define RSP 128
#define VECTORS 136

        .section .tbss, "awT", @nobits
        .p2align 3
before: .skip   8
output: .skip   8
target: .skip   8
        .text

.macro vectors op, base, wide
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        .if     \wide
        .ifc    \op, load
        vmovdqu VECTORS+32*\n(\base), %ymm\n
        .else
        vmovdqu %ymm\n, VECTORS+32*\n(\base)
        .endif
        .else
        .ifc    \op, load
        movdqu  VECTORS+32*\n(\base), %xmm\n
        .else
        movdqu  %xmm\n, VECTORS+32*\n(\base)
        .endif
        .endif
        .endr
.endm

/* void NAME(void (*function)(void), const struct state *in, struct state *out) */
.macro caller name, wide
        function \name
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, %fs:before@tpoff
        movq    %rdi, %fs:target@tpoff
        movq    %rdx, %fs:output@tpoff
        vectors load, %rsi, \wide
        pushq   FLAGS(%rsi)
        movq    0(%rsi), %rax
        movq    8(%rsi), %rbx
        movq    16(%rsi), %rcx
        movq    24(%rsi), %rdx
        movq    40(%rsi), %rdi
        movq    48(%rsi), %rbp
        movq    56(%rsi), %r8
        movq    64(%rsi), %r9
        movq    72(%rsi), %r10
        movq    80(%rsi), %r11
        movq    88(%rsi), %r12
        movq    96(%rsi), %r13
        movq    104(%rsi), %r14
        movq    112(%rsi), %r15
        movq    32(%rsi), %rsi
        popfq
        callq   *%fs:target@tpoff
        pushfq
        pushq   %rax
        movq    %fs:output@tpoff, %rax
        movq    %rbx, 8(%rax)
        movq    %rcx, 16(%rax)
        movq    %rdx, 24(%rax)
        movq    %rsi, 32(%rax)
        movq    %rdi, 40(%rax)
        movq    %rbp, 48(%rax)
        movq    %r8, 56(%rax)
        movq    %r9, 64(%rax)
        movq    %r10, 72(%rax)
        movq    %r11, 80(%rax)
        movq    %r12, 88(%rax)
        movq    %r13, 96(%rax)
        movq    %r14, 104(%rax)
        movq    %r15, 112(%rax)
        popq    %rbx
        movq    %rbx, 0(%rax)
        popq    FLAGS(%rax)
        cld
        movq    %rsp, %rbx
        subq    %fs:before@tpoff, %rbx
        movq    %rbx, RSP(%rax)
        vectors store, %rax, \wide
        movq    %fs:before@tpoff, %rsp
        .if     \wide
        vzeroupper
        .endif
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        ret
        end \name
.endm
        caller  call_with_state, 0
        caller  call_with_state_wide, 1

/* ---- functions that change nothing ---- */
        function r_ret
        ret
        end r_ret
        function r_two
        nop
        ret
        end r_two
        function r_nops
        nop
        nop
        nop
        nop
        nop
        nop
        ret
        end r_nops
        function r_nop5
        nopl    0(%rax,%rax,1)
        ret
        end r_nop5
        function r_moves
        movq    %rdi, %rdi
        movq    %r15, %r15
        ret
        end r_moves
        function r_push
        pushq   %rbp
        movq    %rsp, %rbp
        pushq   %rbx
        leaq    1(%rbx), %rbx
        popq    %rbx
        popq    %rbp
        ret
        end r_push
        function r_four
        pushq   %rax
        pushq   %rcx
        popq    %rcx
        nop
        popq    %rax
        ret
        end r_four
        function r_exchange
        xchgq   %rax, %rcx
        xchgq   %rax, %rcx
        xchgq   %r8, %r15
        xchgq   %r8, %r15
        ret
        end r_exchange
        function r_jump
        jmp     1f
        nop
1:      nop
        ret
        end r_jump
        function r_tail
        jmp     r_ret
        end r_tail
        function r_tail_memory
        jmpq    *keep(%rip)
        end r_tail_memory
        function r_call
        call    r_ret
        ret
        end r_call
        function r_call_memory
        callq   *keep(%rip)
        ret
        end r_call_memory
.irp cc, o, no, b, ae, e, ne, be, a, s, ns, p, np, l, ge, le, g
        function r_branch_\cc           /* a branch on each condition, in the window */
        j\cc    1f
        nop
        nop
1:      nop
        ret
        end r_branch_\cc
        function r_tail_\cc             /* a tail call on each condition */
        .byte   0x66, 0x90
        j\cc    r_ret_too
        ret
        end r_tail_\cc
.endr
        function r_ret_too
        ret
        end r_ret_too
        function r_red_zone             /* its last two instructions before the end read the red zone */
        movq    %rax, -8(%rsp)
        movq    %rcx, -128(%rsp)
        movq    %rbx, -16(%rsp)
        leaq    5(%rax), %rax
        leaq    7(%rcx), %rcx
        leaq    9(%rbx), %rbx
        nop
        movq    -128(%rsp), %rcx
        movq    -16(%rsp), %rbx
        movq    -8(%rsp), %rax
        ret
        end r_red_zone
        function r_red_zone_loop        /* jumps back behind its window, the red zone in use */
        movq    %rcx, -64(%rsp)
        movl    $3, %ecx
1:      movq    %rax, -72(%rsp)
        leaq    1(%rax), %rax
        movq    -72(%rsp), %rax
        loop    1b
        movq    -64(%rsp), %rcx
        ret
        end r_red_zone_loop
        function r_red_zone_again       /* jumps back to its first byte, the red zone in use */
        leaq    (%rcx), %rcx
        nop
        nop
        jrcxz   1f
        movq    %rcx, -64(%rsp)
        movq    %rax, -8(%rsp)
        movl    $0, %ecx
        jmp     r_red_zone_again
1:      movq    -64(%rsp), %rcx
        movq    -8(%rsp), %rax
        ret
        end r_red_zone_again

/* ---- functions that change one flag ---- */
        function r_stc
        stc
        ret
        end r_stc
        function r_clc
        clc
        ret
        end r_clc
        function r_cmc
        nop
        nop
        nop
        cmc
        ret
        end r_cmc
        function r_std
        std
        ret
        end r_std
        function r_cld
        cld
        nopl    0(%rax,%rax,1)
        ret
        end r_cld

        .section .data.rel.ro, "aw"
        .p2align 3
keep:   .quad   r_ret
        .section .note.GNU-stack, "", @progbits
