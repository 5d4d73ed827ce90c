/* SPDX-License-Identifier: MIT
 *
 * FRAME=gap, the assembly half: an exception from kernel mode gets the frame that one from user mode has, below the
 * three words that the CPU pushed. Those, and vector and error code, five stale words, are the room for a push, and for
 * the frame of the iret. Included by entry.S only. Twin: 32/move/entry.h.
 */
#ifndef PORT_RING0_ENTRY_H
#define PORT_RING0_ENTRY_H
/* clang-format off */

/* Words kept free below the frame for it to move down. */
#define FRAME_ROOM_BYTES 0

/* 0 vector, 4 error code, 8 ip, 12 cs, 16 flags; from user mode 20 sp, 24 ss. Makes the latter two, and the rest
 * again. */
.macro FRAME_ENTER
        testb   $3, 12(%esp)
        jnz     1f
        pushl   %ss
        pushl   %esp
        addl    $24, (%esp)             /* the interrupted stack pointer */
        pushl   24(%esp)                /* flags */
        pushl   24(%esp)                /* cs */
        pushl   24(%esp)                /* ip */
        pushl   24(%esp)                /* error code */
        pushl   24(%esp)                /* vector */
1:
.endm

/* The interrupted stack pointer to where struct tl_regs has it: 10 words above, see SAVE. */
.macro FRAME_SAVE_SP
        pushl   40(%esp)
.endm

/* All registers, ip and flags as struct pt_regs has them; does not come back. To kernel mode: the three words of the
 * iret and eax are written right below the stack pointer to be, then it is switched to in one instruction, so that no
 * NMI finds a stack pointer above what is still needed. Reads everything before it writes: they may overlap after a
 * push or two. */
.macro FRAME_LEAVE
        testb   $3, PTREGS_CS(%esp)
        jnz     1f
        movl    PTREGS_SP(%esp), %eax
        movl    PTREGS_FLAGS(%esp), %ecx
        movl    PTREGS_CS(%esp), %edx
        movl    PTREGS_IP(%esp), %ebx
        movl    PTREGS_AX(%esp), %esi
        movl    %ecx, -4(%eax)
        movl    %edx, -8(%eax)
        movl    %ebx, -12(%eax)
        movl    %esi, -16(%eax)
        subl    $16, %eax
        addl    $4, %esp
        popl    %ecx
        popl    %edx
        popl    %ebx
        addl    $4, %esp
        popl    %ebp
        popl    %esi
        popl    %edi
        movl    %eax, %esp
        popl    %eax
        iret
1:      FRAME_LEAVE_TO_USER
.endm

#endif
