/* SPDX-License-Identifier: MIT
 *
 * The console: the first serial port, polled. Any context; lines of several CPUs do not mix.
 */
#ifndef KERNEL_CONSOLE_H
#define KERNEL_CONSOLE_H

#include <stdarg.h>

void console_begin(void);

/* %c %s %d %u %x %p %%, with l for long ones, and a width, zero-filled if it begins with 0. A line feed becomes both
 * characters. Whoever is interrupted while printing is waited for a while only: an end must be seen. */
void console_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void console_vprint(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

/* Waits for a character, letting other threads run. */
char console_get(void);

#endif
