/* SPDX-License-Identifier: MIT
 *
 * From the multiboot loader to kernel_main() on x86-64: the loader leaves 32-bit mode without paging. A map of the
 * first GiB in large pages serves until kernel/paging.c makes the real one. Twin: kernel/32/boot.S.
 */
#include <kernel/layout.h>

        .section .multiboot, "a", @progbits
        .balign 4
        .long   0x1badb002, 2, -(0x1badb002 + 2)        /* flag 2: say how much memory there is */

        .section .text.boot, "ax", @progbits
        .code32
        .globl  boot
        .type   boot, @function
boot:
        cld
        movl    %ebx, %edi              /* what the loader says, kernel_main's argument */
        movl    $boot_map_1 + 3, boot_map_2
        movl    $boot_map_2 + 3, boot_map_3
        movl    $boot_map_1, %ecx
        movl    $0x83, %eax
1:      movl    %eax, (%ecx)
        addl    $0x200000, %eax
        addl    $8, %ecx
        cmpl    $boot_map_1 + 4096, %ecx
        jne     1b
        movl    $boot_map_3, %eax
        movl    %eax, %cr3
        movl    %cr4, %eax
        orl     $0x20, %eax             /* PAE */
        movl    %eax, %cr4
        movl    $0xc0000080, %ecx
        rdmsr
        orl     $0x100, %eax            /* long mode */
        wrmsr
        movl    %cr0, %eax
        orl     $0x80010001, %eax       /* paging, write protection */
        movl    %eax, %cr0
        lgdt    segments_pointer
        ljmp    $0x08, $1f
        .code64
1:      movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        leaq    thread_stacks + THREAD_STACK_BYTES, %rsp
        xorl    %ebp, %ebp
        movl    %edi, %edi
        pushq   %rbp                    /* no caller: where a backtrace ends */
        call    kernel_main
        ud2
        .size   boot, . - boot

        .bss
        .balign 4096
boot_map_1:
        .skip   4096
boot_map_2:
        .skip   4096
boot_map_3:
        .skip   4096

        .section .note.GNU-stack, "", @progbits
