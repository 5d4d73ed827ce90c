/* SPDX-License-Identifier: MIT
 *
 * Function forms that a patcher gets wrong: tiny ones, one to five instructions in the first five bytes, loops and
 * jumps into the prologue, data behind the code, odd returns. Each takes x in %rdi and returns x * MUL + ADD as the
 * table in programs/forms.c says.
 */
#include "function.inc"
        .text

/* ---- tiny: the whole function in 1..6 bytes ---- */
        function f_len1
        ret
        end f_len1
        function f_len2_rep_ret
        rep ret
        end f_len2_rep_ret
        function f_len2
        nop
        ret
        end f_len2
        function f_len3
        xorl    %eax, %eax
        ret
        end f_len3
        function f_len4
        movq    %rdi, %rax
        ret
        end f_len4
        function f_len5
        leaq    1(%rdi), %rax
        ret
        end f_len5
        function f_len6
        movl    $7, %eax
        ret
        end f_len6
        function f_bnd_ret
        leaq    (%rdi,%rdi), %rax
        .byte   0xf2, 0xc3              /* bnd ret */
        end f_bnd_ret
        /* Two functions of one and of three bytes side by side, then a third that follows at once. */
        function f_side1, 4
        ret
        end f_side1
        function f_side2, 0
        xorl    %eax, %eax
        ret
        end f_side2
        function f_side3, 0
        movq    %rdi, %rax
        ret
        end f_side3

/* ---- 1..5 instructions in the first five bytes ---- */
        function f_insn1
        movl    $100, %eax              /* 5 */
        addq    %rdi, %rax
        ret
        end f_insn1
        function f_insn1_long
        movabsq $0x1122334455667788, %rax /* 10 */
        movq    %rdi, %rax
        ret
        end f_insn1_long
        function f_insn2_34
        movq    %rdi, %rax              /* 3 */
        addq    $1, %rax                /* 4 */
        ret
        end f_insn2_34
        function f_insn2_14
        pushq   %rbx                    /* 1 */
        leaq    2(%rdi), %rbx           /* 4 */
        movq    %rbx, %rax
        popq    %rbx
        ret
        end f_insn2_14
        function f_insn2_41
        leaq    3(%rdi), %rax           /* 4 */
        pushq   %rbx                    /* 1 */
        popq    %rbx
        ret
        end f_insn2_41
        function f_insn3_131
        pushq   %rbp                    /* 1 */
        movq    %rsp, %rbp              /* 3 */
        pushq   %rbx                    /* 1 */
        movq    %rdi, %rbx
        leaq    4(%rbx), %rax
        popq    %rbx
        popq    %rbp
        ret
        end f_insn3_131
        function f_insn3_221
        pushq   %r12                    /* 2 */
        pushq   %r13                    /* 2 */
        pushq   %rbx                    /* 1 */
        leaq    5(%rdi), %r12
        movq    %r12, %rax
        popq    %rbx
        popq    %r13
        popq    %r12
        ret
        end f_insn3_221
        function f_insn3_113
        pushq   %rbp                    /* 1 */
        pushq   %rbx                    /* 1 */
        movq    %rdi, %rax              /* 3 */
        addq    $6, %rax
        popq    %rbx
        popq    %rbp
        ret
        end f_insn3_113
        function f_insn4_1112
        pushq   %rbp
        pushq   %rbx
        pushq   %rsi
        pushq   %r12                    /* 2 */
        leaq    7(%rdi), %r12
        movq    %r12, %rax
        popq    %r12
        popq    %rsi
        popq    %rbx
        popq    %rbp
        ret
        end f_insn4_1112
        function f_insn4_1211
        pushq   %rbp
        pushq   %r12                    /* 2 */
        pushq   %rbx
        pushq   %rsi
        leaq    8(%rdi), %rax
        popq    %rsi
        popq    %rbx
        popq    %r12
        popq    %rbp
        ret
        end f_insn4_1211
        function f_insn4_1113
        pushq   %rbp
        pushq   %rbx
        pushq   %rsi
        movq    %rdi, %rax              /* 3 */
        popq    %rsi
        popq    %rbx
        popq    %rbp
        ret
        end f_insn4_1113
        function f_insn5
        pushq   %rbp
        pushq   %rbx
        pushq   %rsi
        pushq   %rdx
        pushq   %rcx
        leaq    9(%rdi), %rax
        popq    %rcx
        popq    %rdx
        popq    %rsi
        popq    %rbx
        popq    %rbp
        ret
        end f_insn5

/* ---- branches to the entry and into the window ---- */
        function f_loop_head            /* loops over its first byte: one call all the same */
        decq    %rdi                    /* 3 */
        jns     f_loop_head             /* 2 */
        movl    $11, %eax
        ret
        end f_loop_head
        function f_loop_head_far
        subq    $1, %rdi
        js      1f
        .skip   200, 0x90
        jmp     f_loop_head_far
1:      movl    $12, %eax
        ret
        end f_loop_head_far
        function f_loop_insn
        leaq    1(%rdi), %rcx
1:      xorl    %eax, %eax
        loop    1b
        movl    $13, %eax
        ret
        end f_loop_insn
        function f_jrcxz
        movq    %rdi, %rcx
        jrcxz   1f
        leaq    (%rcx,%rcx,2), %rax
        ret
1:      xorl    %eax, %eax
        ret
        end f_jrcxz
        function f_into_middle          /* comes back to its second and third instruction */
        nop                             /* 1 */
1:      incq    %rdi                    /* 3 */
2:      nop                             /* 1 */
        testb   $3, %dil
        jnz     1b
        btcq    $62, %rdi
        btq     $62, %rdi
        jc      2b
        andq    $-4, %rdi
        movl    $14, %eax
        ret
        end f_into_middle
        function f_shared_tail          /* its second instruction is entered by f_enters_other, too */
        nop
.Lsecond:
        leaq    15(%rdi), %rax
        ret
        end f_shared_tail
        function f_enters_other
        testq   %rdi, %rdi
        jmp     .Lsecond
        end f_enters_other
        function f_two_entries          /* a second entry two bytes behind the first */
        xorl    %eax, %eax
        .globl  f_second_entry
        .type   f_second_entry, @function
f_second_entry:
        leaq    16(%rdi), %rax
        ret
        .size   f_second_entry, . - f_second_entry
        end f_two_entries

/* ---- branches, calls, addresses as first instructions ---- */
        function f_jmp_first
        jmp     1f
        .byte   0xc3, 0xcc, 0xe9
1:      leaq    17(%rdi), %rax
        ret
        end f_jmp_first
        function f_jcc_first
        testl   %edi, %edi
        jne     1f
        xorl    %eax, %eax
        ret
1:      leaq    (%rdi,%rdi,4), %rax
        ret
        end f_jcc_first
        function f_ret_in_window        /* the first return stands in the first five bytes */
        testl   %edi, %edi
        je      1f
        ret
1:      ret
        end f_ret_in_window
        function f_call_first
        call    f_len4
        addq    $18, %rax
        ret
        end f_call_first
        function f_call_in_window
        pushq   %rbx
        call    f_len5
        popq    %rbx
        ret
        end f_call_in_window
        function f_call_memory_first
        callq   *pointer(%rip)
        addq    $1, %rax
        ret
        end f_call_memory_first
        function f_own_address          /* call to the next instruction: the address it pushes is the true one */
        call    1f
1:      popq    %rax
        leaq    1b(%rip), %rcx
        subq    %rcx, %rax
        ret
        end f_own_address
        function f_lea_own
        leaq    f_lea_own(%rip), %rax   /* 7, relative to the instruction pointer */
        movq    f_lea_own@GOTPCREL(%rip), %rcx
        subq    %rcx, %rax
        addq    %rdi, %rax
        ret
        end f_lea_own
        function f_rip_relative
        movq    number(%rip), %rax
        addq    %rdi, %rax
        ret
        end f_rip_relative
        function f_rip_store
        movl    $20, scratch(%rip)      /* displacement and immediate */
        movslq  scratch(%rip), %rax
        addq    %rdi, %rax
        ret
        end f_rip_store
        function f_return_address       /* what its caller pushed is what it sees */
        movq    (%rsp), %rax
        leaq    .Lcame_from(%rip), %rcx
        subq    %rcx, %rax
        addq    %rdi, %rax
        ret
        end f_return_address
        function f_return_address_caller
        call    f_return_address
.Lcame_from:
        ret
        end f_return_address_caller
        function f_lock_first
        lock incl scratch(%rip)
        movq    %rdi, %rax
        ret
        end f_lock_first
        function f_fs_first
        movq    %fs:0, %rax
        subq    %fs:0, %rax
        addq    %rdi, %rax
        ret
        end f_fs_first
        function f_string_first
        cld
        movl    $4, %ecx
        leaq    -64(%rsp), %rdi
        xorl    %eax, %eax
        rep stosq
        ret
        end f_string_first
        function f_syscall_first
        movl    $39, %eax
        syscall
        movl    $21, %eax
        ret
        end f_syscall_first
        function f_enter
        enter   $32, $0
        movq    %rdi, -8(%rbp)
        movq    -8(%rbp), %rax
        leave
        ret
        end f_enter
        function f_pushf_first
        pushfq
        popq    %rax
        andl    $2, %eax
        ret
        end f_pushf_first
        function f_endbr
        endbr64
        leaq    22(%rdi), %rax
        ret
        end f_endbr
        function f_endbr_ret
        endbr64
        ret
        end f_endbr_ret
        function f_nop5
        nopl    0(%rax,%rax,1)
        leaq    23(%rdi), %rax
        ret
        end f_nop5
        function f_five_nops
        nop
        nop
        nop
        nop
        nop
        leaq    24(%rdi), %rax
        ret
        end f_five_nops
        function f_sse_first
        movq    %rdi, %xmm15
        movq    %xmm15, %rax
        ret
        end f_sse_first

/* ---- ends ---- */
        function f_two_rets
        testb   $1, %dil
        jz      1f
        leaq    25(%rdi), %rax
        ret
1:      leaq    25(%rdi), %rax
        ret
        end f_two_rets
        function f_jmp_reg
        leaq    f_len4(%rip), %rax
        jmp     *%rax
        end f_jmp_reg
        function f_push_ret             /* a ret that is a jump */
        leaq    f_len5(%rip), %rax
        pushq   %rax
        ret
        end f_push_ret
        function f_switch               /* a jump table in the text */
        movl    %edi, %eax
        andl    $3, %eax
        leaq    .Ltable(%rip), %rcx
        movslq  (%rcx,%rax,4), %rax
        addq    %rcx, %rax
        jmp     *%rax
        .p2align 2
.Ltable: .long  .Lcase0 - .Ltable, .Lcase1 - .Ltable, .Lcase2 - .Ltable, .Lcase3 - .Ltable
.Lcase0: leaq   26(%rdi), %rax
        ret
.Lcase1: leaq   26(%rdi), %rax
        ret
.Lcase2: leaq   26(%rdi), %rax
        ret
.Lcase3: movq   %rdi, %rax
        addq    $26, %rax
        ret
        end f_switch
        function f_data_behind          /* adds up data that stand behind it and look like code */
        leaq    .Ldata(%rip), %rsi
        movl    $(.Ldata_end - .Ldata), %ecx
        xorl    %eax, %eax
1:      movzbl  (%rsi), %edx
        addl    %edx, %eax
        incq    %rsi
        decl    %ecx
        jnz     1b
        ret
.Ldata: .byte   0xc3, 0xc3, 0x55, 0x48, 0x89, 0xe5, 0xc3, 0xf3, 0xc3, 0xe9, 0x00, 0x00, 0x00, 0x00, 0xeb, 0xfe, 0xc3
.Ldata_end:
        end f_data_behind
        function f_data_inside
        jmp     1f
        .ascii  "\303 text in the text \303\303 \351\351\351\351\351"
1:      leaq    27(%rdi), %rax
        ret
        end f_data_inside
        function f_jump_over_data       /* ends by a jump backwards over its data */
        jmp     2f
1:      leaq    28(%rdi), %rax
        ret
        .byte   0xc3, 0x0f, 0x0b, 0xc3
2:      nop
        jmp     1b
        end f_jump_over_data
        function f_ret_imm              /* takes two words off its caller's stack */
        movq    8(%rsp), %rax
        addq    16(%rsp), %rax
        ret     $16
        end f_ret_imm
        function f_ret_imm_caller
        pushq   %rdi
        pushq   $29
        call    f_ret_imm
        ret
        end f_ret_imm_caller
        function f_ret_imm_tiny
        ret     $8
        end f_ret_imm_tiny
        function f_ret_imm_tiny_caller
        movq    %rdi, %rax
        pushq   %rdi
        call    f_ret_imm_tiny
        ret
        end f_ret_imm_tiny_caller
        function f_split                /* the cold part is a function of its own only by name */
        testb   $7, %dil
        jz      f_split.cold
        leaq    30(%rdi), %rax
        ret
        end f_split
        .section .text.unlikely, "ax"
        .type   f_split.cold, @function
f_split.cold:
        .cfi_startproc
        addq    $10, %rdi
        leaq    20(%rdi), %rax
        ret
        .cfi_endproc
        .size   f_split.cold, . - f_split.cold
        .text

/* ---- places: across a cache line, across a page ---- */
        .p2align 6, 0x90
        .skip   61, 0x90
        function f_across_line, 0
        pushq   %rbp
        movq    %rsp, %rbp
        pushq   %rbx
        leaq    31(%rdi), %rax
        popq    %rbx
        popq    %rbp
        ret
        end f_across_line
        .p2align 12, 0x90
        .skip   4093, 0x90
        function f_across_page, 0
        pushq   %rbp
        movq    %rsp, %rbp
        pushq   %rbx
        leaq    32(%rdi), %rax
        popq    %rbx
        popq    %rbp
        ret
        end f_across_page

        .data
        .p2align 3
pointer: .quad  f_len5
number: .quad   19
scratch: .quad  0
        .section .note.GNU-stack, "", @progbits
