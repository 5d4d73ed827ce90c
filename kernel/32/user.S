/* SPDX-License-Identifier: MIT
 *
 * To ring 3 and back; see kernel/user.h. Twin: kernel/64/user.S.
 */
#include <kernel/layout.h>

        .text
        .globl  user_enter, user_leave
        .type   user_enter, @function
user_enter:                             /* ip, sp, &kept_sp */
        movl    4(%esp), %ecx
        movl    8(%esp), %edx
        movl    12(%esp), %eax
        pushl   %ebp
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        cli
        movl    %esp, (%eax)
        pushl   %ecx
        pushl   %edx
        pushl   %esp                    /* traps of the task go on below here */
        call    user_stack_set
        popl    %eax
        popl    %edx
        popl    %ecx
        pushl   $SEGMENT_USER_DATA
        pushl   %edx
        pushl   $0x202
        pushl   $SEGMENT_USER_CODE
        pushl   %ecx
        xorl    %eax, %eax
        xorl    %ebx, %ebx
        xorl    %ebp, %ebp
        iret
        .size   user_enter, . - user_enter

        .type   user_leave, @function
user_leave:                             /* kept_sp, status */
        movl    8(%esp), %eax
        movl    4(%esp), %esp
        popl    %edi
        popl    %esi
        popl    %ebx
        popl    %ebp
        ret
        .size   user_leave, . - user_leave

        .section .note.GNU-stack, "", @progbits
