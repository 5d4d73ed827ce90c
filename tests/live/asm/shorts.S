/* SPDX-License-Identifier: MIT
 *
 * Functions whose exits and entries have less room than a jump: branches lead to what stands around them. Called by
 * programs/shorts.c.
 */
        .text

.macro  FUNCTION name
        .globl  \name
        .type   \name, @function
        .p2align 4
\name:
.endm
.macro  END name
        .size   \name, . - \name
.endm

/* Both exits are entered by branches only, and code follows at once. */
        FUNCTION f_pop
        push    %rbx
        mov     %rdi, %rbx
        test    $1, %bl
        jne     2f
        lea     1(%rbx), %rax
        jmp     1f
1:      pop     %rbx
        ret
2:      lea     2(%rbx), %rax
        jmp     3f
        ud2
3:      pop     %rbx
        ret
4:      lea     0x11223344(%rbx), %rax
        jmp     1b
        END     f_pop

/* Three bytes. */
        FUNCTION f_zero
        test    %rdi, %rdi
        jne     1f
        jmp     2f
2:      xor     %eax, %eax
        ret
1:      lea     7(%rdi), %rax
        jmp     3f
3:      xor     $1, %al
        ret
        END     f_zero

/* The ret is entered by a branch, and fallen into. */
        FUNCTION f_both
        mov     %rdi, %rax
        test    $3, %al
        je      1f
        add     $5, %rax
1:      ret
2:      lea     0x11223344(%rbx), %rax
        jmp     1b
        END     f_both

/* A loop begins two bytes behind the entry. */
        FUNCTION f_loop
        xor     %eax, %eax
1:      inc     %eax
        cmp     %edi, %eax
        jb      1b
        ret
        END     f_loop

/* The same, with a branch that has room to be linked. */
        FUNCTION f_head
        xor     %eax, %eax
1:      add     $1, %eax
        cmp     %edi, %eax
        lea     1(%rax), %ecx
        jb      1b
        mov     %ecx, %eax
        ret
        END     f_head

/* What stands behind the exit is branched to from two places, a loop among them; the exit from one, and fallen into. */
        FUNCTION f_behind
        mov     $0x11223344, %eax
        cmp     $0x1234567, %rdi
        ja      2f
        xor     %eax, %eax
        jmp     1f
1:      ret
2:      sub     $1, %rdi
        orb     $0x01, %al
        cmp     $0x1234567, %rdi
        ja      2b
        mov     %edi, %eax
        jmp     1b
        END     f_behind
        .p2align 4

        .section .note.GNU-stack, "", @progbits
