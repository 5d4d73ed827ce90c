/* SPDX-License-Identifier: MIT
 *
 * To ring 3 and back; see kernel/user.h. Twin: kernel/32/user.S.
 */
#include <kernel/layout.h>

        .text
        .globl  user_enter, user_leave
        .type   user_enter, @function
user_enter:                             /* ip, sp, &kept_sp */
        pushq   %rbp
        pushq   %rbx
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        cli
        movq    %rsp, (%rdx)
        pushq   %rdi
        pushq   %rsi
        movq    %rsp, %rdi              /* traps of the task go on below here */
        call    user_stack_set
        popq    %rsi
        popq    %rdi
        pushq   $SEGMENT_USER_DATA
        pushq   %rsi
        pushq   $0x202
        pushq   $SEGMENT_USER_CODE
        pushq   %rdi
        xorl    %eax, %eax
        xorl    %ebx, %ebx
        xorl    %ebp, %ebp
        iretq
        .size   user_enter, . - user_enter

        .type   user_leave, @function
user_leave:                             /* kept_sp, status */
        movq    %rdi, %rsp
        movl    %esi, %eax
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        ret
        .size   user_leave, . - user_leave

        .section .note.GNU-stack, "", @progbits
