/* SPDX-License-Identifier: MIT
 *
 * A program that pokes itself: what the library must have taken over before the first tl_poke(), tl_key_set() or
 * tl_static_call_set() in a process of one's own. Linux, x86-64. Not for a program that trapline traces at the same
 * time: both want SIGTRAP.
 */
#ifndef TRAPLINE_SELF_H
#define TRAPLINE_SELF_H

#include <trapline/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Once, early, by one thread. Takes over SIGTRAP and SIGILL (a handler that the program has installed before still gets
 * what is not the library's), registers for membarrier(2), opens /proc/self/mem. From then on no thread may block
 * SIGTRAP while another one pokes code that it runs: the kernel would kill it.
 *
 * A call that is poked in pushes its return address, when a thread runs into the poke, below the interrupted stack
 * pointer: poke calls where a function begins, or where the compiler knows of a call; not within a leaf function,
 * whose red zone lies there. A jmp is fine everywhere.
 *
 * TL_DENIED: text cannot be written; TL_NOT_SUPPORTED: no membarrier SYNC_CORE (Linux 4.16); TL_BUSY: done already. */
enum tl_status tl_self_start(void);

#ifdef __cplusplus
}
#endif

#endif
