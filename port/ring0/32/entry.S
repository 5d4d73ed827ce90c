/* SPDX-License-Identifier: MIT
 *
 * The way into and out of a trap on i386. From kernel mode the CPU pushes flags, cs and ip only, on the stack that it
 * interrupts; the two answers to that are FRAME_ENTER and FRAME_LEAVE, in 32/move and 32/gap. Segments are flat: the
 * kernel works with the user's data segment, which needs no restoring. Twin: port/ring0/64/entry.S.
 */
#include <ptregs.h>

        .section .text.trap, "ax", @progbits

.macro FRAME_LEAVE_TO_USER
        movl    PTREGS_IP(%esp), %eax
        movl    %eax, PTREGS_IRET_IP(%esp)
        movl    PTREGS_FLAGS(%esp), %eax
        movl    %eax, PTREGS_IRET_FLAGS(%esp)
        movl    PTREGS_SP(%esp), %eax
        movl    %eax, PTREGS_IRET_SP(%esp)
        popl    %eax
        popl    %ecx
        popl    %edx
        popl    %ebx
        addl    $4, %esp
        popl    %ebp
        popl    %esi
        popl    %edi
        addl    $16, %esp
        iret
.endm

#include <entry.inc>

/* 0 vector, 4 error code, 8 ip, 12 cs, 16 flags... becomes struct pt_regs. */
.macro SAVE
        FRAME_ENTER
        pushl   16(%esp)                /* flags */
        pushl   12(%esp)                /* ip */
        pushl   %edi
        pushl   %esi
        pushl   %ebp
        FRAME_SAVE_SP
        pushl   %ebx
        pushl   %edx
        pushl   %ecx
        pushl   %eax
        movl    $0x23, %eax
        movl    %eax, %ds
        movl    %eax, %es
        cld
.endm

/* Vectors 0 to 255, 16 bytes each; 8, 10 to 14, 17, 21, 29 and 30 come with an error code. */
        .globl  ring0_vectors
        .hidden ring0_vectors
        .balign 16
ring0_vectors:
        .set    .Lvector, 0
        .rept   256
        .balign 16
        .if     .Lvector == 3
        pushl   $0
        pushl   $3
        jmp     int3_entry
        .else
        .set    .Lcoded, .Lvector == 8 || (.Lvector >= 10 && .Lvector <= 14) || .Lvector == 17
        .if     !(.Lcoded || .Lvector == 21 || .Lvector == 29 || .Lvector == 30)
        pushl   $0
        .endif
        pushl   $.Lvector
        jmp     trap_entry
        .endif
        .set    .Lvector, .Lvector + 1
        .endr

        .balign 16
        .type   trap_entry, @function
trap_entry:
        SAVE
        pushl   %esp
        call    ring0_trap
        addl    $4, %esp
        .globl  ring0_leave
        .hidden ring0_leave
ring0_leave:
        FRAME_LEAVE
        .size   trap_entry, . - trap_entry

/* From kernel mode: do_kernel_int3(&regs), and back through the frame that it hands back. */
        .balign 16
        .type   int3_entry, @function
int3_entry:
        SAVE
        testb   $3, PTREGS_CS(%esp)
        jnz     1f
        movl    %esp, %eax
        subl    $FRAME_ROOM_BYTES, %esp
        pushl   %eax                    /* the frame */
        pushl   %esp                    /* where that is written */
        call    do_kernel_int3
        movl    4(%esp), %esp
        jmp     ring0_leave
1:      movl    %esp, %eax
        pushl   $0
        pushl   %eax
        call    do_int3
        addl    $8, %esp
        jmp     ring0_leave
        .size   int3_entry, . - int3_entry

        .section .note.GNU-stack, "", @progbits
