/* SPDX-License-Identifier: MIT
 *
 * What begins when threads run: the rooms that a build may leave out.
 */
#ifndef KERNEL_START_H
#define KERNEL_START_H

/* Once, before other CPUs run: ftrace makes one nop of each of its sites. */
void start_early(void);

/* Once, in a thread. */
void start_rooms(void);

#endif
