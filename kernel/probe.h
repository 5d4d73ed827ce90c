/* SPDX-License-Identifier: MIT
 *
 * Probes of the kernel itself: what may not be probed, and the console's command. Probes are core/probe's matter.
 */
#ifndef KERNEL_PROBE_H
#define KERNEL_PROBE_H

#include <stdbool.h>
#include <stdint.h>

/* Once, in a thread. is_held: whether a debugger's breakpoint is in the size bytes at address. */
void probe_begin(bool (*is_held)(uintptr_t address, uintptr_t size));

#endif
