/* SPDX-License-Identifier: MIT
 *
 * Starting a program so that it is stopped at its first own instruction: libraries mapped and relocated, main() to
 * come.
 */
#ifndef TL_TRACER_LAUNCH_H
#define TL_TRACER_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Returns the child's id, stopped under our ptrace at its entry point; or 0 with *status the exit status to end with
 * (126, 127, 125) and reason a sentence. */
pid_t tl_launch(char *const *argv, int *status, char *reason, size_t size);

/* Lets it run, no longer ptraced. */
void tl_launch_release(pid_t child);

/* The exit status of an ended child, as a shell reports it. */
int tl_launch_status(int wait_status);

#endif
