/* SPDX-License-Identifier: MIT
 *
 * frame_probe(down): an int3 with known registers, down bytes further down the stack, words of known value above; and
 * what the registers are afterwards. For kernel/frame_test.c. Twin: kernel/32/frame_probe.S.
 */
#include <kernel/frame_probe.h>

        .text
        .globl  frame_probe, frame_probe_int3, frame_probe_called, frame_probe_ret
        .type   frame_probe, @function
frame_probe:
        pushq   %rbp
        pushq   %rbx
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, frame_probe_kept
        subq    %rdi, %rsp
        movl    $FRAME_PROBE_CANARIES, %ecx
1:      pushq   $FRAME_PROBE_CANARY
        loop    1b
        movq    %rsp, frame_probe_before + 4 * 8
        movl    $0xa0, %eax
        movl    $0xa1, %ecx
        movl    $0xa2, %edx
        movl    $0xa3, %ebx
        movl    $0xa5, %ebp
        movl    $0xa6, %esi
        movl    $0xa7, %edi
        .set    .Lnumber, 8
        .irp    reg, r8, r9, r10, r11, r12, r13, r14, r15
        movl    $0xa0 + .Lnumber, %\reg\()d
        .set    .Lnumber, .Lnumber + 1
        .endr
        stc
        std
frame_probe_int3:
        int3
        pushfq
        popq    frame_probe_flags
        cld
        movq    %rax, frame_probe_after
        movq    %rcx, frame_probe_after + 1 * 8
        movq    %rdx, frame_probe_after + 2 * 8
        movq    %rbx, frame_probe_after + 3 * 8
        movq    %rsp, frame_probe_after + 4 * 8
        movq    %rbp, frame_probe_after + 5 * 8
        movq    %rsi, frame_probe_after + 6 * 8
        movq    %rdi, frame_probe_after + 7 * 8
        .set    .Lnumber, 8
        .irp    reg, r8, r9, r10, r11, r12, r13, r14, r15
        movq    %\reg, frame_probe_after + 8 * .Lnumber
        .set    .Lnumber, .Lnumber + 1
        .endr
        movq    frame_probe_kept, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        ret
        .size   frame_probe, . - frame_probe

/* Where the emulated call leads: notes what it finds on the stack, keeps all. */
        .type   frame_probe_called, @function
frame_probe_called:
        popq    frame_probe_return
        pushq   frame_probe_return
frame_probe_ret:
        ret
        .size   frame_probe_called, . - frame_probe_called

        .section .note.GNU-stack, "", @progbits
