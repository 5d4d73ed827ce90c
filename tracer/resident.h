/* SPDX-License-Identifier: MIT
 *
 * The agent that an earlier session has left in a process: its image stays for ever, because threads may be asleep in
 * its stubs; its thread only while a session runs. Reading only. memory is as tl_process_memory() opened it.
 */
#ifndef TL_TRACER_RESIDENT_H
#define TL_TRACER_RESIDENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <wire/image.h>

struct tl_resident {
    bool found; /* an image that is the same as ours */
    struct tl_image image;
    struct tl_boot boot; /* shared is 0 if its shared memory is no longer there */
};

/* Looks for it; waits a little for an agent to leave whose tracer has died. False: one is at work, reason says for
 * whom. */
bool tl_resident_find(struct tl_resident *resident, pid_t pid, int memory, char *reason, size_t size);

/* Whether an agent has begun to work in it since then: its tracer, else 0. */
pid_t tl_resident_tracer(const struct tl_resident *resident, pid_t pid, int memory);

#endif
