/* SPDX-License-Identifier: MIT
 *
 * The agent's image, as the build made it; wire/image.h says what it holds. Placed by place.c.
 */
        .section .rodata
        .globl  tl_agent_image, tl_agent_image_end
        .balign 64
tl_agent_image:
        .incbin TL_AGENT_IMAGE
tl_agent_image_end:
        .section .note.GNU-stack, "", @progbits
