/* SPDX-License-Identifier: MIT
 *
 * The image's first instructions in the target: run by the held thread, all signals blocked, on
 * the image's own stack. See wire/image.h. Starts the agent's thread with clone(2), without CLONE_FILES so that it
 * has
 * a descriptor table of its own.
 */
#define SYS_clone 56
#define SYS_exit 60
/* CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_UNTRACED */
#define CLONE_FLAGS 0x00850b00
#define STACK_BYTES 65536

        .text
        .globl  tl_agent_boot
tl_agent_boot:
        mov     %rdi, %rbx
        lea     agent_stack_top(%rip), %rsi
        mov     $CLONE_FLAGS, %edi
        xor     %edx, %edx
        xor     %r10d, %r10d
        xor     %r8d, %r8d
        mov     $SYS_clone, %eax
        syscall
        test    %rax, %rax
        jz      1f
        int3                                    /* the tracer takes the held thread back here */
        ud2
1:      xor     %ebp, %ebp
        mov     %rbx, %rdi
        call    tl_agent_main
        xor     %edi, %edi
        mov     $SYS_exit, %eax
        syscall
        ud2

        .data
        .balign 16
        .globl  tl_agent_params
        /* struct tl_boot; not in .bss: the tracer writes it before anything runs */
tl_agent_params:
        .zero   128

        .bss
        .balign 16
        .zero   4096
        .globl  boot_stack_top
boot_stack_top:
        .zero   STACK_BYTES
agent_stack_top:

        .section .note.GNU-stack, "", @progbits
