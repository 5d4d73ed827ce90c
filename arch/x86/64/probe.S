/* SPDX-License-Identifier: MIT
 *
 * What the detour of a jump probe calls: makes a complete struct tl_regs, as the probed instruction finds it, and tells
 * core/probe; all registers and flags but the stack pointer go back as they are then. Twin: arch/x86/32/probe.S.
 */
#include <probe.h>

#define DETOUR_RED_ZONE 128 /* the detour has stepped over it */

        .section .text.tracer, "ax", @progbits
        .globl  tl_probe_trampoline
        .hidden tl_probe_trampoline
        .type   tl_probe_trampoline, @function
        .balign 16
tl_probe_trampoline:
        pushfq
        pushq   $0                              /* ip: core/probe knows it */
        pushq   %r15
        pushq   %r14
        pushq   %r13
        pushq   %r12
        pushq   %r11
        pushq   %r10
        pushq   %r9
        pushq   %r8
        pushq   %rdi
        pushq   %rsi
        pushq   %rbp
        pushq   %rsp                            /* for now */
        pushq   %rbx
        pushq   %rdx
        pushq   %rcx
        pushq   %rax
        cld
        leaq    TL_PROBE_REGS_BYTES + 8 + DETOUR_RED_ZONE(%rsp), %rax
        movq    %rax, 32(%rsp)
        movq    TL_PROBE_REGS_BYTES(%rsp), %rdi
        movq    TL_PROBE_DATA(%rdi), %rdi
        movq    %rsp, %rsi
        movq    %rsp, %rbx
        andq    $-16, %rsp
        call    tli_probe_detour
        movq    %rbx, %rsp
        popq    %rax
        popq    %rcx
        popq    %rdx
        popq    %rbx
        leaq    8(%rsp), %rsp
        popq    %rbp
        popq    %rsi
        popq    %rdi
        popq    %r8
        popq    %r9
        popq    %r10
        popq    %r11
        popq    %r12
        popq    %r13
        popq    %r14
        popq    %r15
        leaq    8(%rsp), %rsp
        popfq
        ret
        .size   tl_probe_trampoline, . - tl_probe_trampoline

        .section .note.GNU-stack, "", @progbits
