/* SPDX-License-Identifier: MIT
 *
 * Functions with one to four instructions in their first five bytes, and two in which branches lead into a jump's five
 * bytes; each at the head of a cache line, in its middle, and across two lines at every offset. Each adds one to the
 * word that %rdi points to. Called by programs/busy.c.
 */
        .text

/* The bodies: BODYn name; n instructions in the first five bytes. */
.macro body1
        movl    $1, %eax                /* 5 */
        addq    %rax, (%rdi)
        ret
.endm
.macro body2
        movq    %rdi, %rax              /* 3 */
        addq    $1, (%rax)              /* 4 */
        ret
.endm
.macro body3
        pushq   %rbp                    /* 1 */
        movq    %rsp, %rbp              /* 3 */
        pushq   %rbx                    /* 1 */
        movl    $1, %ebx
        addq    %rbx, (%rdi)
        popq    %rbx
        popq    %rbp
        ret
.endm
.macro body4
        pushq   %rbp                    /* 1 */
        pushq   %rbx                    /* 1 */
        pushq   %rsi                    /* 1 */
        pushq   %r12                    /* 2 */
        movl    $1, %r12d
        addq    %r12, (%rdi)
        popq    %r12
        popq    %rsi
        popq    %rbx
        popq    %rbp
        ret
.endm
/* A loop begins two bytes behind the entry, and is linked. */
.macro body5
        xorl    %eax, %eax              /* 2 */
1:      addl    $1, %eax                /* 3: a short jump would lead close above */
        cmpl    $3, %eax
        jb      1b
        shrl    $1, %eax
        addq    %rax, (%rdi)
        ret
.endm
/* The exit has one byte, and what stands behind it is branched to, and linked; it leads back to the exit. */
.macro body6
        movl    $1, %eax                /* 5 */
        cmpq    $0x12345678, %rdi
        jne     2f
        jmp     1f
1:      ret
2:      addq    %rax, (%rdi)            /* 3 */
        .byte   0x0f, 0x85              /* jnz: a short jump would lead close above */
        .long   1b - . - 4
        ud2
.endm
.macro place insns, offset
        .p2align 6, 0x90
        .if     \offset
        .skip   \offset, 0x90
        .endif
        .globl  f_toggle\insns\()_\offset
        .type   f_toggle\insns\()_\offset, @function
f_toggle\insns\()_\offset:
        .cfi_startproc
        body\insns
        .cfi_endproc
        .size   f_toggle\insns\()_\offset, . - f_toggle\insns\()_\offset
        .pushsection .data.rel.ro, "aw"
        .quad   f_toggle\insns\()_\offset
        .popsection
.endm

        .pushsection .data.rel.ro, "aw"
        .p2align 3
        .globl  toggles
toggles:
        .popsection
.irp    insns, 1, 2, 3, 4, 5, 6
.irp    offset, 0, 21, 60, 61, 62, 63
        place   \insns, \offset
.endr
.endr
        .pushsection .data.rel.ro, "aw"
        .quad   0
        .popsection
        .section .note.GNU-stack, "", @progbits
