/* SPDX-License-Identifier: MIT
 *
 * Tail calls in the forms that a C compiler does not make on demand. Called by programs/tailcalls.c.
 */
#include "function.inc"
        .text

        function f_zero
        leaq    7(%rsi), %rax
        ret
        end f_zero

        function f_add
        leaq    5(%rdi), %rax
        ret
        end f_add

        function f_double
        leaq    (%rdi,%rdi), %rax
        ret
        end f_double

        function f_square
        movq    %rdi, %rax
        imulq   %rdi, %rax
        ret
        end f_square

        /* A conditional tail call with a 32-bit displacement. */
        function f_cond
        testq   %rdi, %rdi
        .byte   0x0f, 0x84              /* je f_zero, never the short form */
        .long   f_zero - . - 4
        movq    %rsi, %rax
        ret
        end f_cond

        /* The same in two bytes, to a function that stands right here. */
        .p2align 4
        .type   f_near_zero, @function
f_near_zero:
        leaq    7(%rsi), %rax
        ret
        .size   f_near_zero, . - f_near_zero
        function f_cond_short
        testq   %rdi, %rdi
        je      f_near_zero
        movq    %rsi, %rax
        ret
        end f_cond_short

        function f_indirect
        jmp     *%rsi
        end f_indirect

        function f_table
        leaq    table(%rip), %rax
        jmp     *(%rax,%rsi,8)
        end f_table

        /* Its only instruction is the tail call. */
        function f_bare_jump
        jmp     f_add
        end f_bare_jump

        .section .data.rel.ro, "aw"
        .p2align 3
table:  .quad   f_add, f_double, f_square

        .section .note.GNU-stack, "", @progbits
