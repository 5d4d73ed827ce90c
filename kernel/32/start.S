/* SPDX-License-Identifier: MIT
 *
 * Where a CPU that is started begins: real mode, in a page below 1 MiB that smp.c copies this to; then straight into
 * the kernel's map. Linked wherever it falls, so it reckons from its own begin. Twin: kernel/64/start.S.
 */
#include <kernel/layout.h>

#define AT(label) (label - smp_start_begin + LAYOUT_START_PAGE)

        .section .rodata
        .globl  smp_start_begin, smp_start_end, smp_start_root, smp_start_efer, smp_start_stack
        .code16
smp_start_begin:
        cli
        xorw    %ax, %ax
        movw    %ax, %ds
        lgdtl   AT(start_gdt_pointer)
        movl    %cr0, %eax
        andl    $0x9fffffff, %eax       /* caches on */
        orl     $1, %eax
        movl    %eax, %cr0
        ljmpl   $0x08, $AT(start_protected)
        .code32
start_protected:
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        movl    AT(smp_start_efer), %ecx /* bit 11: the tables forbid execution */
        movl    %cr4, %eax
        orl     $0x20, %eax
        movl    %eax, %cr4
        testl   %ecx, %ecx
        jz      1f
        movl    $0xc0000080, %ecx
        rdmsr
        orl     $0x800, %eax
        wrmsr
1:      movl    AT(smp_start_root), %eax
        movl    %eax, %cr3
        movl    %cr0, %eax
        orl     $0x80010000, %eax
        movl    %eax, %cr0
        movl    AT(smp_start_stack), %esp
        xorl    %ebp, %ebp
        pushl   %ebp
        movl    $smp_started, %eax
        jmp     *%eax
        .balign 8
start_gdt:
        .quad   0, 0x00cf9a000000ffff, 0x00cf92000000ffff
start_gdt_pointer:
        .word   . - start_gdt - 1
        .long   AT(start_gdt)
        .balign 8
smp_start_root:
        .quad   0
smp_start_efer:
        .quad   0
smp_start_stack:
        .quad   0
smp_start_end:

        .section .note.GNU-stack, "", @progbits
