/* SPDX-License-Identifier: MIT
 *
 * The agent's image: what the tracer must know to place it. Layout only.
 *
 * The image is a flat file, page-aligned: text (read, execute) first, then data (read, write), the rest
 * of the data (up to memory_bytes) is zero. It holds no relocations and runs at any page-aligned address.
 * The header stands at offset 0 of the text. boot is entered by the held thread with all signals blocked,
 * RDI = address of struct tl_boot, RSP = boot_stack; it starts the agent's thread and executes int3 with RAX = the
 * thread's id, or a negative errno.
 */
#ifndef TL_WIRE_IMAGE_H
#define TL_WIRE_IMAGE_H

#include <stdint.h>

#define TL_IMAGE_MAGIC 0x61706c74u     /* "tlpa" */
#define TL_IMAGE_NAME "trapline-agent" /* of the memfd it is mapped from: how a later tracer finds it */
#define TL_SHARED_NAME "trapline-ring"

/* Where the agent asks for its tables, the blocks among them: far from any text, whose neighbourhood is for stubs. */
#define TL_IMAGE_MEMORY 0x100000000000u
#define TL_IMAGE_MEMORY_BYTES 0x10000000000u

struct tl_image {
    uint32_t magic, version;
    uint32_t text_bytes;    /* multiple of the page size */
    uint32_t data_bytes;    /* in the file, multiple of the page size */
    uint32_t memory_bytes;  /* of text, data and zeroed data together */
    uint32_t boot_offset;   /* of the entry point */
    uint32_t params_offset; /* of struct tl_boot, inside the data */
    uint32_t stack_offset;  /* top of the boot stack, inside the data */
};

/* Written by the tracer before boot is entered. File descriptors are those of the target at that moment; the agent's
 * thread has its own copy of the table, keeps these two and closes all others there; the tracer
 * closes them in the target. */
struct tl_boot {
    uint64_t image;  /* address of the image */
    uint64_t shared; /* address of struct tl_control */
    uint64_t shared_bytes;
    int32_t command_fd;  /* read end */
    int32_t answer_fd;   /* write end; one byte comes when the agent is ready, tl_control.status says how it went */
    int32_t shared_fd;   /* of the shared memory */
    int32_t text_socket; /* -1, or through this the agent is handed a descriptor of /proc/PID/mem */
    uint32_t reserved;
    uint32_t resident;      /* 0 at first; the agent sets 1 for ever, and 2 while a session runs */
    uint64_t shared_before; /* 0, or where the session before had its: a mapping of shared_bytes. Then only the part
                               before TL_CHUNKS_OFFSET is mapped at shared, and the agent moves all to there */
    uint64_t blocks;        /* A: where the GS bases of recording threads lead to */
    uint64_t blocks_bytes;
};

#endif
