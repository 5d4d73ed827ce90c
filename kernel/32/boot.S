/* SPDX-License-Identifier: MIT
 *
 * From the multiboot loader to kernel_main() on i386. Paging is kernel/paging.c's. Twin: kernel/64/boot.S.
 */
#include <kernel/layout.h>

        .section .multiboot, "a", @progbits
        .balign 4
        .long   0x1badb002, 2, -(0x1badb002 + 2)        /* flag 2: say how much memory there is */

        .section .text.boot, "ax", @progbits
        .globl  boot
        .type   boot, @function
boot:
        cld
        lgdt    segments_pointer
        ljmp    $0x08, $1f
1:      movl    $0x23, %eax             /* see port/ring0/32/entry.S */
        movl    %eax, %ds
        movl    %eax, %es
        movl    $0x10, %eax
        movl    %eax, %ss
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        leal    thread_stacks + THREAD_STACK_BYTES, %esp
        xorl    %ebp, %ebp
        pushl   %ebx                    /* what the loader says, kernel_main's argument */
        pushl   %ebp                    /* no caller: where a backtrace ends */
        jmp     kernel_main
        .size   boot, . - boot

        .section .note.GNU-stack, "", @progbits
