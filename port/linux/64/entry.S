/* SPDX-License-Identifier: MIT
 *
 * The doors between traced code and the agent's C: the cold half of a record, a guarded system call, the end of a
 * signal
 * handler. The C behind them is compiled without SSE, x87 or AVX, so general registers and flags are all there is
 * to keep.
 */
        .text

/* From a stub's cold half: the event's upper word lies above the return address; RAX, RCX, RDX, RSI and the flags are
 * saved already. The direction flag may be set where the site stood. */
        .globl  tl_stub_slow
        .hidden tl_stub_slow
tl_stub_slow:
        pushfq
        pushfq
        /* a program that single-steps itself must not step with signals blocked */
        andl    $~0x100, (%rsp)
        popfq
        push    %rdi
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        cld
        mov     56(%rsp), %edi
        call    tli_ring_slow
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rdi
        popfq
        ret

/* From the gate before a record: the same, and RDX is where the return address of the call lies. Returns RCX = 0 if it
 * is not to be recorded. */
        .globl  tl_stub_gate
        .hidden tl_stub_gate
tl_stub_gate:
        pushfq
        pushfq
        andl    $~0x100, (%rsp)
        popfq
        push    %rdi
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        cld
        mov     56(%rsp), %edi
        mov     %rdx, %rsi
        call    tli_ring_gate
        movzbl  %al, %ecx
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rdi
        popfq
        ret

/* From a guard's stub, just before its system call. RCX and R11 are free: the kernel overwrites them. Returns RCX = 0
 * if the call has been done, with its result in RAX. The seven words pushed are struct tli_guard_call. */
        .globl  tl_stub_guard
        .hidden tl_stub_guard
tl_stub_guard:
        pushfq
        pushfq
        andl    $~0x100, (%rsp)
        popfq
        push    %r9
        push    %r8
        push    %r10
        push    %rdx
        push    %rsi
        push    %rdi
        push    %rax
        cld
        mov     %rsp, %rdi
        call    tli_guard
        movzbl  %al, %ecx
        xor     $1, %ecx
        pop     %rax
        pop     %rdi
        pop     %rsi
        pop     %rdx
        pop     %r10
        pop     %r8
        pop     %r9
        popfq
        ret

        .globl  tli_signal_restorer
        .hidden tli_signal_restorer
tli_signal_restorer:
        mov     $15, %rax
        syscall

        .section .note.GNU-stack, "", @progbits
