/* SPDX-License-Identifier: MIT
 *
 * Where a CPU that is started begins: real mode, in a page below 1 MiB that smp.c copies this to; then straight into
 * the kernel's map. Linked wherever it falls, so it reckons from its own begin. Twin: kernel/32/start.S.
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
        movl    %cr4, %eax
        orl     $0x20, %eax
        movl    %eax, %cr4
        movl    AT(smp_start_root), %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx
        rdmsr
        orl     AT(smp_start_efer), %eax
        wrmsr
        movl    %cr0, %eax
        andl    $0x9fffffff, %eax       /* caches on */
        orl     $0x80010001, %eax
        movl    %eax, %cr0
        ljmpl   $0x08, $AT(start_long)
        .code64
start_long:
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        movq    AT(smp_start_stack), %rsp
        xorl    %ebp, %ebp
        pushq   %rbp
        movl    $smp_started, %eax
        jmp     *%rax
        .balign 8
start_gdt:
        .quad   0, 0x00af9b000000ffff, 0x00cf93000000ffff /* "accessed": the CPU need not write it */
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
