/* SPDX-License-Identifier: MIT
 *
 * Code for the ftrace tests that C cannot ask a compiler for. See port.h.
 */
        .text
.macro FUNCTION name
        .globl  \name
        .type   \name, @function
        .balign 16
\name:
.endm

FUNCTION code_nop
        .byte   0x0f, 0x1f, 0x44, 0x00, 0x00
        ret
FUNCTION code_other_nop
        .byte   0x0f, 0x1f, 0x44, 0x00, 0x08
        ret
FUNCTION code_five_nops
        .byte   0x90, 0x90, 0x90, 0x90, 0x90
        ret
FUNCTION code_fentry
        call    __fentry__
        ret
FUNCTION code_endbr
        .byte   0xf3, 0x0f, 0x1e, 0xfa
        .globl  code_endbr_site
code_endbr_site:
        .byte   0x0f, 0x1f, 0x44, 0x00, 0x00
        ret
FUNCTION code_none
        xorl    %eax, %eax
        xorl    %eax, %eax
        xorl    %eax, %eax
        ret
FUNCTION code_tail
        .byte   0x0f, 0x1f, 0x44, 0x00, 0x00
        jmp     code_tail_target
FUNCTION code_tail_target
        .byte   0x0f, 0x1f, 0x44, 0x00, 0x00
#ifdef __x86_64__
        leal    1(%rdi), %eax
#else
        movl    4(%esp), %eax
        incl    %eax
#endif
        ret

#ifdef __x86_64__
FUNCTION ftrace_probe
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        pushq   %rsi
        pushq   %rdx
        movq    %rdi, %rax
        pushq   128(%rax)
        popfq
        movq    8(%rax), %rcx
        movq    16(%rax), %rdx
        movq    24(%rax), %rbx
        movq    40(%rax), %rbp
        movq    48(%rax), %rsi
        movq    56(%rax), %rdi
        movq    64(%rax), %r8
        movq    72(%rax), %r9
        movq    80(%rax), %r10
        movq    88(%rax), %r11
        movq    96(%rax), %r12
        movq    104(%rax), %r13
        movq    112(%rax), %r14
        movq    120(%rax), %r15
        movq    (%rax), %rax
        call    *(%rsp)
        pushfq
        pushq   %rax
        movq    24(%rsp), %rax
        movq    %rcx, 8(%rax)
        movq    %rdx, 16(%rax)
        movq    %rbx, 24(%rax)
        movq    %rbp, 40(%rax)
        movq    %rsi, 48(%rax)
        movq    %rdi, 56(%rax)
        movq    %r8, 64(%rax)
        movq    %r9, 72(%rax)
        movq    %r10, 80(%rax)
        movq    %r11, 88(%rax)
        movq    %r12, 96(%rax)
        movq    %r13, 104(%rax)
        movq    %r14, 112(%rax)
        movq    %r15, 120(%rax)
        popq    (%rax)
        popq    128(%rax)
        cld
        addq    $16, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        ret
#else
FUNCTION ftrace_probe
        movl    4(%esp), %eax
        pushl   %ebx
        pushl   %ebp
        pushl   %esi
        pushl   %edi
        pushl   24(%esp)
        pushl   32(%esp)
        pushl   32(%eax)
        popfl
        movl    4(%eax), %ecx
        movl    8(%eax), %edx
        movl    12(%eax), %ebx
        movl    20(%eax), %ebp
        movl    24(%eax), %esi
        movl    28(%eax), %edi
        movl    (%eax), %eax
        call    *(%esp)
        pushfl
        pushl   %eax
        movl    12(%esp), %eax
        movl    %ecx, 4(%eax)
        movl    %edx, 8(%eax)
        movl    %ebx, 12(%eax)
        movl    %ebp, 20(%eax)
        movl    %esi, 24(%eax)
        movl    %edi, 28(%eax)
        popl    (%eax)
        popl    32(%eax)
        cld
        addl    $8, %esp
        popl    %edi
        popl    %esi
        popl    %ebp
        popl    %ebx
        ret
#endif

        .section .note.GNU-stack, "", @progbits
