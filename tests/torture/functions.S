/* SPDX-License-Identifier: MIT
 *
 * The functions that the torture calls and traces: every way in which instructions can start within the first five
 * bytes of an entry and of an exit, at places inside one cache line, across two, and across two pages. And the call
 * that gives a function every register and the flags, and takes them back. Described by torture.h, listed by sites.c.
 *
 * An instruction that is lost, torn or run twice changes what comes out: those of one byte swap registers or move the
 * stack, the others add up with the carry that the instruction before left.
 */

#define IN_LINE 0, 8, 31, 59
#define ACROSS_LINES 60, 61, 62, 63
#define ACROSS_PAGES 4092, 4093, 4094, 4095

#define SWAP 0
#define PUSH 1
#define TINY 2
#define TRAP 3
#define TAIL 4
#define BRANCH 5
#define LINK 6

        .text
        .p2align 12
        .globl  torture_text, torture_text_end, torture_functions, torture_functions_end, torture_call
torture_text:

        .section .rodata.torture, "a", @progbits
        .p2align 4
torture_functions:
        .section .text.torture_landing, "ax", @progbits
torture_landing:
        ret
        .section .rodata.word, "a", @progbits
        .p2align 2
word:
        .long   0x13579bdf
        .text

        .set    number, 0                       /* of the function: makes neighbours differ */
        .set    start, 0                        /* of the instruction in its window */
        .set    pushed, 0
        .set    length, 0

/* The four registers of which an instruction takes one. */
.macro CHOOSE which, a, b, c, d
        .if     ((\which) & 3) == 0
        \a
        .elseif ((\which) & 3) == 1
        \b
        .elseif ((\which) & 3) == 2
        \c
        .else
        \d
        .endif
.endm

.macro OF_ONE_BYTE flavor, leaving
        .if     \flavor == PUSH && \leaving
        CHOOSE  number + start, "pop %rcx", "pop %rdx", "pop %rsi", "pop %rdi"
        .elseif \flavor == PUSH
        CHOOSE  number + start, "push %rcx", "push %rdx", "push %rsi", "push %rax"
        .set    pushed, pushed + 1
        .else
        CHOOSE  start, "xchg %eax,%ecx", "xchg %eax,%edx", "xchg %eax,%esi", "xchg %eax,%edi"
        .endif
.endm

/* One instruction of so many bytes. */
.macro INSN bytes, flavor, leaving
        .set    length, \bytes
        .if     length == 1
        OF_ONE_BYTE \flavor, \leaving
        .elseif length == 2
        CHOOSE  number + start, "adc %ecx,%eax", "adc %edx,%eax", "sbb %esi,%eax", "xor %edi,%eax"
        .elseif length == 3
        CHOOSE  number + start, "lea 7(%rax),%eax", "lea (%rcx,%rax,2),%eax", "adc $0x3c,%eax", "adc %r8,%rax"
        .elseif length == 4 && \leaving && red_zone && (number & 4)
        adc     -8(%rsp), %edx                  /* an entry has no red zone */
        .elseif length == 4
        CHOOSE  number + start, "lea 9(%rdx,%rax,2),%eax", "adc $0x35,%rcx", "adc $0x2b,%rdx", "sbb $0x71,%r8"
        .elseif length == 5
        adc     $0x1f2e3d4c, %eax
        .elseif length == 6
        CHOOSE  number, "adc $0x12345678,%ecx", "adc word(%rip),%eax", "sbb $0x76543210,%edx", "adc word(%rip),%esi"
        .elseif length == 7
        lea     0x7654321(%rcx,%rax,4), %eax
        .else
        .error  "no instruction of this length"
        .endif
.endm

/* A window: instructions start at byte 0 and where the pattern says: bit 0 for byte 1 to bit 3 for byte 4. One that
 * leaves has the ret as its last instruction, at byte 4 or right behind the five bytes. */
.macro WINDOW pattern, flavor, leaving
        .set    start, 0
        .irp    next, 1, 2, 3, 4
        .if     ((\pattern) >> (\next - 1)) & 1
        INSN    (\next - start), \flavor, \leaving
        .if     \flavor == LINK && \leaving && start == 0
4:
        .endif
        .set    start, \next
        .endif
        .endr
        .if     \flavor == LINK && \leaving && start == 0
4:
        .endif
        .if     \leaving && start == 4
        ret
        .else
        .set    length, 5 - start + number % 3
        .if     \leaving && length == 1
        .set    length, 2
        .endif
        INSN    length, \flavor, \leaving
        .if     \leaving
        ret
        .endif
        .endif
.endm

/* Takes off the stack what the exit's window will not. */
.macro BALANCE pattern
        .set    start, 0
        .irp    next, 1, 2, 3, 4
        .if     ((\pattern) >> (\next - 1)) & 1
        .if     \next - start == 1
        .set    pushed, pushed - 1
        .endif
        .set    start, \next
        .endif
        .endr
        .rept   pushed
        pop     %r10
        .endr
        .set    pushed, 0
.endm

.macro PLACE offset
        .if     \offset >= 64
        .p2align 12, 0xcc
        .else
        .p2align 6, 0xcc
        .endif
        .if     \offset
        .skip   \offset, 0xcc
        .endif
.endm

.macro FUNCTION pattern, flavor, offset
        .set    number, number + 1
        .set    red_zone, \flavor != TINY       /* may be read at the exit */
        PLACE   \offset
1:
        .if     \flavor == TINY
        WINDOW  \pattern, SWAP, 1
2:
        .else
        WINDOW  \pattern, \flavor, 0
        .if     \flavor == PUSH
        BALANCE \pattern
        .endif
        adc     %rcx, %r8
        xor     %rsi, %r9
        rol     $7, %r9
        mov     %rdx, -8(%rsp)                  /* in the red zone */
        add     %rax, %r11
        .if     \flavor == LINK
5:      adc     $0x5a, %r9                              /* where negative, into the exit's window */
        js      4f
6:
        .endif
        jmp     2f
        PLACE   \offset
2:
        .if     \flavor == TRAP
        ret
        .elseif \flavor == TAIL
        jmp     torture_landing
        .elseif \flavor == BRANCH
        jc      torture_landing
        ret
        .else
        WINDOW  \pattern, \flavor, 1
        .endif
        .endif
3:
        .pushsection .rodata.torture
        .long   1b - torture_text, 2b - torture_text, 3b - torture_text
        .if     \flavor == LINK
        .long   5b - torture_text, 6b - torture_text
        .else
        .long   0, 0
        .endif
        .short  \offset
        .byte   \pattern, \flavor
        .popsection
.endm

/* All sixteen patterns of a flavor at each place. */
.macro FUNCTIONS flavor, places:vararg
        .irp    place, \places
        .set    pattern, 0
        .rept   16
        FUNCTION pattern, \flavor, \place
        .set    pattern, pattern + 1
        .endr
        .endr
.endm

        .rept   8
        FUNCTIONS SWAP, IN_LINE, ACROSS_LINES
        FUNCTIONS PUSH, IN_LINE, ACROSS_LINES
        .endr
        FUNCTIONS TINY, IN_LINE, ACROSS_LINES
        FUNCTIONS TRAP, 0
        FUNCTIONS TAIL, IN_LINE, ACROSS_LINES
        FUNCTIONS BRANCH, IN_LINE, ACROSS_LINES
        FUNCTIONS LINK, IN_LINE, ACROSS_LINES
        FUNCTIONS SWAP, ACROSS_PAGES
        FUNCTIONS PUSH, ACROSS_PAGES
        .p2align 12, 0xcc
torture_text_end:

        .section .rodata.torture
torture_functions_end:
        .text

/* void torture_call(function, const struct torture_state *in, struct torture_state *out) */
torture_call:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        push    %rdx
        push    %rdi
        movdqu  128(%rsi), %xmm0
        movdqu  144(%rsi), %xmm1
        movdqu  160(%rsi), %xmm2
        movdqu  176(%rsi), %xmm15
        mov     0(%rsi), %rax
        mov     8(%rsi), %rcx
        mov     16(%rsi), %rdx
        mov     32(%rsi), %rdi
        mov     40(%rsi), %r8
        mov     48(%rsi), %r9
        mov     56(%rsi), %r10
        mov     64(%rsi), %r11
        mov     72(%rsi), %rbx
        mov     80(%rsi), %rbp
        mov     88(%rsi), %r12
        mov     96(%rsi), %r13
        mov     104(%rsi), %r14
        mov     112(%rsi), %r15
        push    120(%rsi)
        popf
        mov     24(%rsi), %rsi
        call    *(%rsp)
        xchg    %rax, 8(%rsp)
        mov     %rcx, 8(%rax)
        mov     %rdx, 16(%rax)
        mov     %rsi, 24(%rax)
        mov     %rdi, 32(%rax)
        mov     %r8, 40(%rax)
        mov     %r9, 48(%rax)
        mov     %r10, 56(%rax)
        mov     %r11, 64(%rax)
        mov     %rbx, 72(%rax)
        mov     %rbp, 80(%rax)
        mov     %r12, 88(%rax)
        mov     %r13, 96(%rax)
        mov     %r14, 104(%rax)
        mov     %r15, 112(%rax)
        pushf
        pop     120(%rax)
        movdqu  %xmm0, 128(%rax)
        movdqu  %xmm1, 144(%rax)
        movdqu  %xmm2, 160(%rax)
        movdqu  %xmm15, 176(%rax)
        pop     %rdi
        pop     0(%rax)
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret

        .section .note.GNU-stack, "", @progbits
