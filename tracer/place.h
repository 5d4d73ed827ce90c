/* SPDX-License-Identifier: MIT
 *
 * Placing the agent in a held process, and talking to it: wire/image.h and wire/control.h say how.
 */
#ifndef TL_TRACER_PLACE_H
#define TL_TRACER_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <tracer/remote.h>
#include <tracer/resident.h>
#include <wire/control.h>
#include <wire/site.h>

struct tl_agent {
    pid_t pid;
    struct tl_control *control; /* the shared memory, mapped here */
    uint64_t shared_bytes;
    int shared_fd, command_fd, answer_fd;
    bool others_write; /* or may write the target's text */
};

/* What a session asks of the rings: the fields of tl_control. */
struct tl_rings {
    uint32_t ring_bytes; /* of one thread */
    enum tl_ring_mode mode;
    uint32_t one_in;
};

/* Places the agent through the held thread, or, if resident says that there is one, wakes up the one that an earlier
 * session left. On failure everything placed is taken out again and reason is one sentence.
 * The agent is not ready yet: tl_agent_ready(). */
bool tl_agent_place(struct tl_agent *agent, struct tl_hold *hold, const struct tl_resident *resident,
                    const struct tl_rings *rings, char *reason, size_t size);

/* Waits for the agent's first answer, once the thread is let go. */
bool tl_agent_ready(struct tl_agent *agent, char *reason, size_t size);

/* Gives a command and waits for its answer, which is then in control->status. False: the agent is gone. */
bool tl_agent_command(struct tl_agent *agent, enum tl_command command);

/* The command to leave; returns when the agent's thread has ended. False: it was gone before. */
bool tl_agent_quit(struct tl_agent *agent);

/* The agent is gone: the process has ended or executed another program. Does not wait. */
bool tl_agent_gone(const struct tl_agent *agent);

static inline struct tl_ring *tl_agent_ring(const struct tl_agent *agent, unsigned slot)
{
    return (struct tl_ring *)((char *)agent->control + TL_RINGS_OFFSET + slot * TL_RING_STRIDE);
}

static inline struct tl_wire_site *tl_agent_sites(const struct tl_agent *agent)
{
    return (struct tl_wire_site *)((char *)agent->control + TL_SITES_OFFSET);
}

static inline uint64_t *tl_agent_chunk(const struct tl_agent *agent, unsigned slot, uint32_t number)
{
    uint32_t ring_bytes = agent->control->ring_bytes;
    return (uint64_t *)((char *)agent->control + TL_CHUNKS_OFFSET + (uint64_t)slot * ring_bytes +
                        (uint64_t)(number % (ring_bytes / TL_CHUNK_BYTES)) * TL_CHUNK_BYTES);
}

void tl_agent_close(struct tl_agent *agent);

const char *tl_status_text(unsigned status);

#endif
