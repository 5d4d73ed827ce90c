/* SPDX-License-Identifier: MIT
 *
 * The hot path: the template of one record, copied into every stub with its constants filled in. Its instructions are
 * the price of a traced call; `make budget` counts them. What is rare (first event of a thread, full chunk, new clock
 * word) is in core/ring.c, reached by the cold template. Described by struct tl_record_shape, read by core/stub.c.
 *
 * Everything is kept: all registers and the flags (GCC's -fipa-ra lets a local caller rely on what it has seen its
 * callee leave alone). lahf/seto, add/sahf keep the flags at a fraction of pushf/popf.
 *
 * A signal may arrive anywhere in here and its handler may record through the same block, hence the order: read the
 * cursor, read the clock, then reserve the slot by compare-and-exchange (no lock prefix: only this thread competes with
 * itself). It fails if a handler recorded in between, and all is read again; so within a ring the clock never goes
 * back. The store to the reserved slot comes last: a slot that is still zero is not written yet.
 */
#include "thread.h"

#define TL_EVENT_KIND_BIT 32 /* wire/event.h: an exit's upper word is its entry's and one */

        .section .rodata.record, "a", @progbits

/* retract: a call that took less than the thread's least time leaves no event, if its entry is the event before this
 * one: the cursor goes back over it as it went on, unless a handler has recorded meanwhile; and the slot is cleared,
 * unless a handler has used it since. What stays all the same is the tracer's to filter (docs/ring.md). */
.macro RECORD name, skip, retract
        .globl  tl_record_\name
        .hidden tl_record_\name
tl_record_\name:
.if \skip
        lea     -128(%rsp), %rsp                /* not an entry: the red zone may be in use */
.endif
        push    %rax
        push    %rcx
        push    %rdx
        push    %rsi
        lahf
        seto    %al
        push    %rax
1:      rdgsbase %rcx
        test    %rcx, %rcx                      /* a thread that has never recorded */
        .byte   0x0f, 0x84                      /* jz cold */
.Lslow0_\name:
        .long   0
        rdfsbase %rax
        cmp     %rax, TL_THREAD_POINTER(%rcx)   /* a new thread inherits its parent's block */
        .byte   0x0f, 0x85                      /* jne cold */
.Lslow1_\name:
        .long   0
        mov     TL_THREAD_CURSOR(%rcx), %rsi
        cmp     TL_THREAD_LIMIT(%rcx), %rsi
        .byte   0x0f, 0x83                      /* jae cold */
.Lslow2_\name:
        .long   0
        rdtsc
        cmp     %edx, TL_THREAD_CLOCK_HIGH(%rcx)
        .byte   0x0f, 0x85                      /* jne cold */
.Lslow3_\name:
        .long   0
        .byte   0x48, 0xba                      /* movabs $event, %rdx */
        .long   0
.Levent_\name:
        .long   0
        or      %rax, %rdx
.if \retract
        test    $0xfff, %esi                    /* before the first slot there is nothing of ours */
        jz      3f
        mov     -8(%rsi), %rax
        sub     %rax, %rdx
        btc     $TL_EVENT_KIND_BIT, %rdx        /* of an entry and its exit what is left is the time between */
        cmp     TL_THREAD_MIN_TICKS(%rcx), %rdx
        jae     2f
        mov     %rax, %rdx
        mov     %rsi, %rax
        sub     $8, %rsi
        cmpxchg %rsi, TL_THREAD_CURSOR(%rcx)
        jne     1b
        mov     %rdx, %rax
        xor     %edx, %edx
        cmpxchg %rdx, (%rsi)
        jmp     .Ldone_\name
2:      btc     $TL_EVENT_KIND_BIT, %rdx
        add     %rax, %rdx
3:
.endif
        mov     %rsi, %rax
        add     $8, %rsi
        cmpxchg %rsi, TL_THREAD_CURSOR(%rcx)
        jne     1b
        mov     %rdx, (%rax)
.Ldone_\name:
        pop     %rax
        add     $0x7f, %al
        sahf
        pop     %rsi
        pop     %rdx
        pop     %rcx
        pop     %rax
.if \skip
        lea     128(%rsp), %rsp
.endif
.Lend_\name:
.endm

        RECORD entry, 0, 0
        RECORD exit, 1, 0
        RECORD retract, 1, 1

/* The cold half of a record: pushes the event's upper word and calls the agent. Flags and the four registers are saved
 * by the hot half, which it returns to. */
        .globl  tl_record_cold
        .hidden tl_record_cold
tl_record_cold:
        .byte   0x68                            /* push $event */
.Lcold_event:
        .long   0
        .byte   0xff, 0x15                      /* call *pointer(%rip) */
.Lcold_call:
        .long   0
        lea     8(%rsp), %rsp
        .byte   0xe9                            /* jmp done */
.Lcold_done:
        .long   0
.Lcold_end:

/* The guarded system call: the agent is asked, RCX comes back 0 if it has done the call itself (the kernel leaves RCX
 * undefined, too). Two jumps of five bytes follow: to the syscall where it always stood, so that a thread that waits
 * there is found and unwound as ever; and behind it, for a call that is done. */
        .globl  tl_record_guard
        .hidden tl_record_guard
tl_record_guard:
        lea     -128(%rsp), %rsp
        .byte   0xff, 0x15                      /* call *pointer(%rip) */
.Lguard_call:
        .long   0
        lea     128(%rsp), %rsp
        jrcxz   . + 7
.Lguard_end:

/* A call that is only counted. No clock, no cursor: one test, whether the thread's calls are counted already, and one
 * addition, which a signal cannot split. A thread pointer and its complement are never the same, so neither a block of
 * another thread nor one that was wiped, both zero, is taken for ours. */
        .globl  tl_record_count
        .hidden tl_record_count
tl_record_count:
        push    %rax
        push    %rcx
        lahf
        seto    %al
        rdgsbase %rcx
        test    %rcx, %rcx                      /* a thread that has never counted */
        .byte   0x0f, 0x84                      /* jz cold */
.Lslow0_count:
        .long   0
        rdfsbase %rcx
        not     %rcx
        cmp     %rcx, %gs:TL_THREAD_COUNTING
        .byte   0x0f, 0x85                      /* jne cold */
.Lslow1_count:
.Lslow2_count:
.Lslow3_count:
        .long   0
        mov     %gs:TL_THREAD_COUNTERS, %rcx
        .byte   0x48, 0xff, 0x81                /* incq counter(%rcx) */
.Levent_count:
        .long   0
.Ldone_count:
        add     $0x7f, %al
        sahf
        pop     %rcx
        pop     %rax
.Lend_count:

/* Its cold half, as tl_record_cold; the hot half has saved two registers less. */
        .globl  tl_record_count_cold
        .hidden tl_record_count_cold
tl_record_count_cold:
        push    %rax                            /* the flags */
        push    %rdx
        push    %rsi
        .byte   0x68                            /* push $event */
.Lcount_cold_event:
        .long   0
        .byte   0xff, 0x15                      /* call *pointer(%rip) */
.Lcount_cold_call:
        .long   0
        lea     8(%rsp), %rsp
        pop     %rsi
        pop     %rdx
        pop     %rax
        .byte   0xe9                            /* jmp done */
.Lcount_cold_done:
        .long   0
.Lcount_cold_end:

/* A call of a function of which it is asked only whether it was ever called. No flag changes; that others store the
 * same byte at the same time does no harm. */
        .globl  tl_record_cover
        .hidden tl_record_cover
tl_record_cover:
        push    %rax
        mov     $1, %al
        .byte   0xa2                            /* movabs %al, called */
.Lcover_called:
        .quad   0
        pop     %rax
.Lcover_end:

/* Of N calls one is recorded: what decides it stands before the record, which is out of the way. An entry counts down;
 * both look whether a recorded call's return address lies where theirs does: an exit, then, is that call's; and an
 * entry tells that it was left without an exit (longjmp, an exception). Whether the thread samples, as above for
 * counting. A thread that does not has no call to leave. */
.macro GATE name, exit
        .globl  tl_record_gate_\name
        .hidden tl_record_gate_\name
tl_record_gate_\name:
.if \exit
        lea     -128(%rsp), %rsp                /* the red zone may be in use */
.endif
        push    %rax
        push    %rcx
        push    %rdx
        lahf
        seto    %al
        lea     24 + 128 * \exit(%rsp), %rdx    /* where the return address lies */
        rdgsbase %rcx
        test    %rcx, %rcx
.if \exit
        jz      .Ldone_gate_\name
.else
        .byte   0x0f, 0x84                      /* jz cold */
.Lslow0_gate_\name:
        .long   0
.endif
        rdfsbase %rcx
        not     %rcx
        cmp     %rcx, %gs:TL_THREAD_SAMPLING
.if \exit
        jne     .Ldone_gate_\name
.else
        .byte   0x0f, 0x85                      /* jne cold */
.Lslow1_gate_\name:
        .long   0
        mov     %gs:TL_THREAD_SAMPLES, %rcx
        decl    (%rcx)                          /* one instruction: a signal cannot split it */
        .byte   0x0f, 0x8e                      /* jle cold */
.Lslow2_gate_\name:
        .long   0
.endif
        mov     %edx, %ecx
        shr     $1, %ecx
        and     $(TL_SAMPLES_MAX - 1) * 8, %ecx
        add     %gs:TL_THREAD_SAMPLES, %rcx
        cmp     %rdx, TL_SAMPLES_OPEN(%rcx)
        .byte   0x0f, 0x84                      /* je cold */
.if \exit
.Lslow0_gate_\name:
.Lslow1_gate_\name:
.Lslow2_gate_\name:
.endif
.Lslow3_gate_\name:
        .long   0
.Ldone_gate_\name:
        add     $0x7f, %al
        sahf
        pop     %rdx
        pop     %rcx
        pop     %rax
.if \exit
        lea     128(%rsp), %rsp
.endif
.Lend_gate_\name:

/* Its cold half: the agent decides, RCX comes back 0 if the call is not recorded. Else all registers are as they were,
 * and the record follows, and a jump to where the gate ends. */
        .globl  tl_record_gate_cold_\name
        .hidden tl_record_gate_cold_\name
tl_record_gate_cold_\name:
        push    %rax
        push    %rsi
        .byte   0xff, 0x35                      /* push event(%rip): its upper word, and what stands behind */
.Lgate_cold_event_\name:
        .long   0
        .byte   0xff, 0x15                      /* call *pointer(%rip) */
.Lgate_cold_call_\name:
        .long   0
        lea     8(%rsp), %rsp
        pop     %rsi
        pop     %rax
        jrcxz   1f
        add     $0x7f, %al
        sahf
        pop     %rdx
        pop     %rcx
        pop     %rax
.if \exit
        lea     128(%rsp), %rsp
.endif
        jmp     .Lgate_cold_end_\name
1:      .byte   0xe9                            /* jmp done */
.Lgate_cold_done_\name:
        .long   0
.Lgate_cold_end_\name:
.endm

        GATE entry, 0
        GATE exit, 1

.macro TEMPLATE name
        .globl  tl_record_\name\()_shape
        .hidden tl_record_\name\()_shape
tl_record_\name\()_shape:                       /* struct tl_record_shape */
        .short  .Lend_\name - tl_record_\name
        .short  .Lslow0_\name - tl_record_\name
        .short  .Lslow1_\name - tl_record_\name
        .short  .Lslow2_\name - tl_record_\name
        .short  .Lslow3_\name - tl_record_\name
        .short  .Levent_\name - tl_record_\name
        .short  .Ldone_\name - tl_record_\name
.endm
        .balign 2
        TEMPLATE entry
        TEMPLATE exit
        TEMPLATE retract
        TEMPLATE count
.macro GATE_SHAPE name                          /* struct tl_gate_shape */
        .globl  tl_record_gate_\name\()_shape
        .hidden tl_record_gate_\name\()_shape
tl_record_gate_\name\()_shape:
        .short  .Lend_gate_\name - tl_record_gate_\name
        .short  .Lslow0_gate_\name - tl_record_gate_\name
        .short  .Lslow1_gate_\name - tl_record_gate_\name
        .short  .Lslow2_gate_\name - tl_record_gate_\name
        .short  .Lslow3_gate_\name - tl_record_gate_\name
        .short  .Ldone_gate_\name - tl_record_gate_\name
        .short  .Lgate_cold_end_\name - tl_record_gate_cold_\name
        .short  .Lgate_cold_event_\name - tl_record_gate_cold_\name
        .short  .Lgate_cold_call_\name - tl_record_gate_cold_\name
        .short  .Lgate_cold_done_\name - tl_record_gate_cold_\name
.endm
        GATE_SHAPE entry
        GATE_SHAPE exit
        .globl  tl_record_cold_shape
        .hidden tl_record_cold_shape
tl_record_cold_shape:                           /* struct tl_cold_shape */
        .short  .Lcold_end - tl_record_cold
        .short  .Lcold_event - tl_record_cold
        .short  .Lcold_call - tl_record_cold
        .short  .Lcold_done - tl_record_cold
        .globl  tl_record_count_cold_shape
        .hidden tl_record_count_cold_shape
tl_record_count_cold_shape:                     /* struct tl_cold_shape */
        .short  .Lcount_cold_end - tl_record_count_cold
        .short  .Lcount_cold_event - tl_record_count_cold
        .short  .Lcount_cold_call - tl_record_count_cold
        .short  .Lcount_cold_done - tl_record_count_cold
        .globl  tl_record_cover_shape
        .hidden tl_record_cover_shape
tl_record_cover_shape:                          /* struct tl_cover_shape */
        .short  .Lcover_end - tl_record_cover
        .short  .Lcover_called - tl_record_cover
        .globl  tl_record_guard_shape
        .hidden tl_record_guard_shape
tl_record_guard_shape:                          /* struct tl_guard_shape */
        .short  .Lguard_end - tl_record_guard
        .short  .Lguard_call - tl_record_guard

        .section .note.GNU-stack, "", @progbits
