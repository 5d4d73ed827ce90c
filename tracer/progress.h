/* SPDX-License-Identifier: MIT
 *
 * The progress line: what is being done, on standard error, once it has taken over a second, and only on a terminal.
 * It is gone when the work is done. For the thread that does the work; one piece of work at a time.
 */
#ifndef TL_TRACER_PROGRESS_H
#define TL_TRACER_PROGRESS_H

/* Work begins, or goes on with something else. */
__attribute__((format(printf, 1, 2))) void tl_progress(const char *format, ...);

/* It is done; without a beginning nothing happens. */
void tl_progress_end(void);

#endif
