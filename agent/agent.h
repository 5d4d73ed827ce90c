/* SPDX-License-Identifier: MIT
 *
 * The calls between the agent's files. The agent runs inside a traced process: it never exits the process, never
 * prints, never allocates from the process's allocator, and takes no lock that a thread of the process may hold.
 */
#ifndef TL_AGENT_H
#define TL_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wire/control.h>
#include <wire/image.h>
#include <wire/site.h>

#include <trapline/status.h>

/* arm.c. The text lock of user space is that only the agent's thread pokes. */
enum tl_status tli_agent_arm(struct tl_control *control, struct tl_wire_site *sites, uint32_t count);
void tli_agent_disarm(struct tl_control *control);
void tli_agent_disarm_guards(void);
/* Takes out, in one batch, the sites of functions that have been called (TL_RING_COVER). */
void tli_agent_retire(struct tl_control *control);

/* shared.c. Moves the session's shared memory over that of the session before, if there is one; its address. NULL: it
 * cannot be done, the session must not begin. */
struct tl_control *tli_agent_settle(struct tl_boot *boot);

/* threads.c. Looks whether a thread blocks SIGTRAP or SIGILL; waits a little for those that do for a moment. Returns
 * its id, or 0. */
uint32_t tli_agent_blocked_thread(void);
/* True if SIGTRAP or SIGILL is on its way to some thread. */
bool tli_agent_signal_pending(void);
/* True if the program's threads have all ended and only the agent's keeps the process alive. */
bool tli_agent_alone(void);

/* text.c: whether text is size bytes (TL_SITE_MAX_BYTES at most): TL_OK, TL_TEXT_DIFFERS or TL_NO_TEXT. As it stood
 * when its page was read last, which is once for all sites in it that are asked for one after the other; after
 * tli_agent_text_forget(): as it stands. */
enum tl_status tli_agent_text_is(uintptr_t address, const uint8_t *bytes, size_t size);
void tli_agent_text_forget(void);

#endif
