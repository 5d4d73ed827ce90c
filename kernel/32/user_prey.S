/* SPDX-License-Identifier: MIT
 *
 * What the ring-3 task runs for kernel/user_test.c: int3s with known registers, and a handler that counts. Its text is
 * copied, so it names no address. Twin: kernel/64/user_prey.S.
 */
#include <kernel/user.h>
#include <kernel/user_prey.h>

        .section .user, "a", @progbits
        .globl  user_prey, user_prey_end, user_prey_dies, user_prey_dies_end
user_prey:
        subl    $16, %esp
        movl    %esp, %edi
        movl    $0, (%edi)              /* signals */
        movl    $0, 4(%edi)             /* of those, wrong ones */
        call    2f
2:      popl    %ebx
        addl    $.Lhandler - 2b, %ebx
        movl    $USER_SIGNAL, %eax
        int     $0x80
        movl    $USER_PREY_SIGNALS, %esi
1:      movl    $0xa0, %eax
        movl    $0xa1, %ecx
        movl    $0xa2, %edx
        movl    $0xa3, %ebx
        stc
        int3
        jnc     .Lwrong
        cmpl    $0xa0, %eax
        jne     .Lwrong
        cmpl    $0xa1, %ecx
        jne     .Lwrong
        cmpl    $0xa2, %edx
        jne     .Lwrong
        cmpl    $0xa3, %ebx
        jne     .Lwrong
        decl    %esi
        jnz     1b
        cmpl    $0, 4(%edi)
        jne     .Lwrong
        movl    (%edi), %ebx
.Lexit: movl    $USER_EXIT, %eax
        int     $0x80
.Lwrong:
        movl    $USER_PREY_WRONG, %ebx
        jmp     .Lexit

.Lhandler:
        incl    (%edi)
        cmpl    $USER_PREY_SIGTRAP, %eax
        jne     .Lbad
        cmpl    $3, %ebx
        jne     .Lbad
        pushf
        testl   $0x200, (%esp)          /* takes interrupts */
        jnz     .Lback
.Lbad:  incl    4(%edi)
.Lback: movl    $USER_RETURN, %eax
        int     $0x80
user_prey_end:

user_prey_dies:
        int3
        movl    $USER_PREY_WRONG, %ebx
        movl    $USER_EXIT, %eax
        int     $0x80
user_prey_dies_end:

        .section .note.GNU-stack, "", @progbits
