/* SPDX-License-Identifier: MIT
 *
 * The second serial port, gdb's, polled: no interrupt of its own, so that it works with all CPUs held. Called by the
 * CPU that talks to gdb, and by the timer to see whether gdb wants to.
 */
#ifndef KERNEL_KGDB_SERIAL_H
#define KERNEL_KGDB_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

/* False: there is no such port; the others must not be called then. */
bool kgdb_serial_begin(void);

/* True if get would not wait. */
bool kgdb_serial_ready(void);

uint8_t kgdb_serial_get(void);
void kgdb_serial_put(uint8_t byte);

/* The next get returns byte; once. */
void kgdb_serial_unget(uint8_t byte);

#endif
