/* SPDX-License-Identifier: MIT
 *
 * What the ring-3 task runs for kernel/user_test.c: int3s with known registers, and a handler that counts. Its text is
 * copied, so it names no address. Twin: kernel/32/user_prey.S.
 */
#include <kernel/user.h>
#include <kernel/user_prey.h>

        .section .user, "a", @progbits
        .globl  user_prey, user_prey_end, user_prey_dies, user_prey_dies_end
user_prey:
        subq    $16, %rsp
        movq    %rsp, %rdi
        movl    $0, (%rdi)              /* signals */
        movl    $0, 4(%rdi)             /* of those, wrong ones */
        leaq    .Lhandler(%rip), %rbx
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
        cmpl    $0, 4(%rdi)
        jne     .Lwrong
        movl    (%rdi), %ebx
.Lexit: movl    $USER_EXIT, %eax
        int     $0x80
.Lwrong:
        movl    $USER_PREY_WRONG, %ebx
        jmp     .Lexit

.Lhandler:
        incl    (%rdi)
        cmpl    $USER_PREY_SIGTRAP, %eax
        jne     .Lbad
        cmpl    $3, %ebx
        jne     .Lbad
        pushf
        testl   $0x200, (%rsp)          /* takes interrupts */
        jnz     .Lback
.Lbad:  incl    4(%rdi)
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
