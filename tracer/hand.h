/* SPDX-License-Identifier: MIT
 *
 * Handing a descriptor of ours into a process. A process that has changed its user, or is not dumpable, may not open
 * its own /proc/self/mem, which belongs to root then: the agent in it is given ours.
 */
#ifndef TL_TRACER_HAND_H
#define TL_TRACER_HAND_H

#include <stdbool.h>
#include <tracer/remote.h>

/* Whether the held thread may not open its own memory. */
bool tl_hand_needed(const struct tl_hold *hold);

/* Sends fd through the socket that the process has open as `there`; who has the other end receives it. False: errno. */
bool tl_hand_over(pid_t pid, int there, int fd);

#endif
