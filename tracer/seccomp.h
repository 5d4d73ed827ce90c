/* SPDX-License-Identifier: MIT
 *
 * Whether a process's seccomp filters let the agent live in it. Asked while one thread is held, before anything is
 * changed.
 */
#ifndef TL_TRACER_SECCOMP_H
#define TL_TRACER_SECCOMP_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tracer/remote.h>

/* True if the held thread's filters allow every system call that placing the agent and the agent itself make; handing:
 * those of being handed its memory too. Else reason is one sentence that names the first forbidden one. */
bool tl_seccomp_check(const struct tl_hold *hold, bool handing, char *reason, size_t size);

/* What the filter answers to a call: a SECCOMP_RET_ value with its data. A program that the kernel would not have taken
 * is answered with SECCOMP_RET_KILL_PROCESS. */
uint32_t tl_seccomp_run(const struct sock_filter *filter, size_t count, const struct seccomp_data *data);

#endif
