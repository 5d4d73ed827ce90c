/* SPDX-License-Identifier: MIT
 *
 * thread_switch(): from one thread's stack to another's; and where a new thread's stack leads. Twin:
 * kernel/32/switch.S.
 */
        .text
        .globl  thread_switch, thread_first
        .type   thread_switch, @function
thread_switch:
        pushq   %rbp
        pushq   %rbx
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        ret
        .size   thread_switch, . - thread_switch
        .type   thread_first, @function
thread_first:
        jmp     thread_main
        .size   thread_first, . - thread_first

        .section .note.GNU-stack, "", @progbits
