/* SPDX-License-Identifier: MIT
 *
 * What a flight recorder holds, written on demand (SIGUSR2) as a recording of its own, DIR.1, DIR.2, ..., while the
 * session goes on. Called by session.c.
 */
#ifndef TL_TRACER_DUMP_H
#define TL_TRACER_DUMP_H

#include <stdbool.h>
#include <tracer/running.h>

/* From now on SIGUSR2 asks for a dump. */
void tl_dump_listen(void);

/* Whether one has been asked for since the last time this was called. */
bool tl_dump_asked(void);

/* Writes it, from what session->info says by now, and says where it is, or in one line why not. */
void tl_dump(struct tl_session *session);

#endif
