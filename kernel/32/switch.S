/* SPDX-License-Identifier: MIT
 *
 * thread_switch(): from one thread's stack to another's; and where a new thread's stack leads. Twin:
 * kernel/64/switch.S.
 */
        .text
        .globl  thread_switch, thread_first
        .type   thread_switch, @function
thread_switch:
        movl    4(%esp), %eax
        movl    8(%esp), %edx
        pushl   %ebp
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        pushl   %eax
        pushl   %edx
        movl    %esp, (%eax)
        movl    %edx, %esp
        popl    %edx
        popl    %eax
        popl    %edi
        popl    %esi
        popl    %ebx
        popl    %ebp
        ret
        .size   thread_switch, . - thread_switch
        .type   thread_first, @function
thread_first:
        jmp     thread_main
        .size   thread_first, . - thread_first

        .section .note.GNU-stack, "", @progbits
