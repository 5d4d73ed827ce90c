/* SPDX-License-Identifier: MIT
 *
 * FRAME=move, the assembly half: nothing is added to what the CPU pushed. The way out goes through the frame where it
 * lies by then. Included by entry.S only. Twin: 32/gap/entry.h.
 */
#ifndef PORT_RING0_ENTRY_H
#define PORT_RING0_ENTRY_H
/* clang-format off */

/* Words kept free below the frame of an int3 for it to move down. */
#define FRAME_ROOM_BYTES 32

.macro FRAME_ENTER
.endm

/* Not the interrupted stack pointer: kernel_stack_pointer() knows that. */
.macro FRAME_SAVE_SP
        pushl   %esp
.endm

.macro FRAME_LEAVE
        testb   $3, PTREGS_CS(%esp)
        jnz     1f
        movl    PTREGS_IP(%esp), %eax
        movl    %eax, PTREGS_IRET_IP(%esp)
        movl    PTREGS_FLAGS(%esp), %eax
        movl    %eax, PTREGS_IRET_FLAGS(%esp)
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
1:      FRAME_LEAVE_TO_USER
.endm

#endif
