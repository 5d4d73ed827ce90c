/* SPDX-License-Identifier: MIT
 *
 * Who called whom, by name: along the frame pointers, which the whole kernel keeps. For a panic and for who asks.
 */
#ifndef KERNEL_BACKTRACE_H
#define KERNEL_BACKTRACE_H

#include <stddef.h>
#include <stdint.h>

/* Fills callers, the innermost first, from a frame pointer: return addresses up to where the frames end. Returns how
 * many. Any context; memory that is not there ends it. */
size_t backtrace(uintptr_t frame, uintptr_t *callers, size_t room);

/* Prints ip and its callers, a line each. */
void backtrace_print(uintptr_t ip, uintptr_t frame);

#endif
