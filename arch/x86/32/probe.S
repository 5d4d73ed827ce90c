/* SPDX-License-Identifier: MIT
 *
 * What the detour of a jump probe calls: makes a complete struct tl_regs, as the probed instruction finds it, and tells
 * core/probe; all registers and flags but the stack pointer go back as they are then. Twin: arch/x86/64/probe.S.
 */
#include <probe.h>

        .section .text.tracer, "ax", @progbits
        .globl  tl_probe_trampoline
        .hidden tl_probe_trampoline
        .type   tl_probe_trampoline, @function
        .balign 16
tl_probe_trampoline:
        pushfl
        pushl   $0                              /* ip: core/probe knows it */
        pushl   %edi
        pushl   %esi
        pushl   %ebp
        pushl   %esp                            /* for now */
        pushl   %ebx
        pushl   %edx
        pushl   %ecx
        pushl   %eax
        cld
        leal    TL_PROBE_REGS_BYTES + 4(%esp), %eax
        movl    %eax, 16(%esp)
        movl    TL_PROBE_REGS_BYTES(%esp), %eax
        movl    TL_PROBE_DATA(%eax), %eax
        movl    %esp, %ebx
        andl    $-16, %esp
        subl    $8, %esp
        pushl   %ebx
        pushl   %eax
        call    tli_probe_detour
        movl    %ebx, %esp
        popl    %eax
        popl    %ecx
        popl    %edx
        popl    %ebx
        leal    4(%esp), %esp
        popl    %ebp
        popl    %esi
        popl    %edi
        leal    4(%esp), %esp
        popfl
        ret
        .size   tl_probe_trampoline, . - tl_probe_trampoline

        .section .note.GNU-stack, "", @progbits
