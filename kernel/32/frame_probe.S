/* SPDX-License-Identifier: MIT
 *
 * frame_probe(down): an int3 with known registers, down bytes further down the stack, words of known value above; and
 * what the registers are afterwards. For kernel/frame_test.c. Twin: kernel/64/frame_probe.S.
 */
#include <kernel/frame_probe.h>

        .text
        .globl  frame_probe, frame_probe_int3, frame_probe_called, frame_probe_ret
        .type   frame_probe, @function
frame_probe:
        movl    4(%esp), %eax
        pushl   %ebp
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        movl    %esp, frame_probe_kept
        subl    %eax, %esp
        movl    $FRAME_PROBE_CANARIES, %ecx
1:      pushl   $FRAME_PROBE_CANARY
        loop    1b
        movl    %esp, frame_probe_before + 4 * 4
        movl    $0xa0, %eax
        movl    $0xa1, %ecx
        movl    $0xa2, %edx
        movl    $0xa3, %ebx
        movl    $0xa5, %ebp
        movl    $0xa6, %esi
        movl    $0xa7, %edi
        stc
        std
frame_probe_int3:
        int3
        pushfl
        popl    frame_probe_flags
        cld
        movl    %eax, frame_probe_after
        movl    %ecx, frame_probe_after + 1 * 4
        movl    %edx, frame_probe_after + 2 * 4
        movl    %ebx, frame_probe_after + 3 * 4
        movl    %esp, frame_probe_after + 4 * 4
        movl    %ebp, frame_probe_after + 5 * 4
        movl    %esi, frame_probe_after + 6 * 4
        movl    %edi, frame_probe_after + 7 * 4
        movl    frame_probe_kept, %esp
        popl    %edi
        popl    %esi
        popl    %ebx
        popl    %ebp
        ret
        .size   frame_probe, . - frame_probe

/* Where the emulated call leads: notes what it finds on the stack, keeps all. */
        .type   frame_probe_called, @function
frame_probe_called:
        popl    frame_probe_return
        pushl   frame_probe_return
frame_probe_ret:
        ret
        .size   frame_probe_called, . - frame_probe_called

        .section .note.GNU-stack, "", @progbits
