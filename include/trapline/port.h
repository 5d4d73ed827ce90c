/* SPDX-License-Identifier: MIT
 *
 * What the engine asks of the place it runs in. A port is this fixed set of functions, bound at link time: a missing
 * one is a link error, none is optional, none is reached through a pointer.
 *
 * "Poke side" functions are called by the one thread that holds the text lock. "Trap side" functions are called from a
 * breakpoint, in any context: they take no lock, call nothing that can carry a site, and do not fail.
 */
#ifndef TRAPLINE_PORT_H
#define TRAPLINE_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <trapline/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tl_regs;
struct tl_trace_thread;

/* Poke side. Copies size bytes of text at address. TL_NO_TEXT where something is not mapped. */
enum tl_status tl_port_text_read(uintptr_t address, void *to, size_t size);

/* Poke side. Writes size bytes of text at address; no page is writable and executable at once, at no time.
 * Other cores may be executing there; nothing is promised about atomicity beyond single bytes. TL_NO_TEXT. */
enum tl_status tl_port_text_write(uintptr_t address, const void *from, size_t size);

/* Poke side. True if nobody else writes text in the page that holds address while the lock is held: then what lies
 * between sites may be written again as it was read right before. */
bool tl_port_text_alone(uintptr_t address);

/* Poke side. Returns when every core that runs, or will run, this program's threads has executed a serialising
 * instruction after the call began: what was written before is what they fetch. */
void tl_port_serialize(void);

/* Around a poke; the poke side is what runs in between. Thread context. Locking twice is a broken invariant or waits
 * for ever. Not called where one thread alone ever pokes. */
void tl_port_text_lock(void);
void tl_port_text_unlock(void);

/* Poke side. True if a breakpoint, before it is known whose it is, may run through any of the size bytes at address:
 * the port's own entry code, and section .text.trap. Nothing is poked there. */
bool tl_port_trap_path(uintptr_t address, size_t size);

/* Poke side. Maps size bytes (a multiple of the page size) readable and executable at exactly address, zero-filled, to
 * be filled by tl_port_text_write. TL_NO_MEMORY if something is there or nothing is left. Never given back: a thread
 * may be asleep in it. */
enum tl_status tl_port_exec_map(uintptr_t address, size_t size);

/* Poke side. Memory for the engine's tables, zeroed; NULL when there is none. */
void *tl_port_memory(size_t size);
void tl_port_memory_free(void *memory, size_t size);

/* Poke side. Gives other threads time to leave a handler; called in a loop. */
void tl_port_relax(void);

/* Any side, in a traced thread's context (core/ring.c). Keeps out whatever could interrupt the thread (signals,
 * interrupts) until it is given back what off returned. */
uint64_t tl_port_interrupts_off(void);
void tl_port_interrupts_restore(uint64_t state);

/* The current thread: its id, the value that tells it from all other living threads and that the stub can read (the
 * thread pointer), and the word that leads stubs to its block. exists: false only if no thread has that id. */
uint32_t tl_port_thread_id(void);
uintptr_t tl_port_thread_pointer(void);
void *tl_port_thread_block(void);
void tl_port_thread_block_set(void *block);
bool tl_port_thread_exists(uint32_t id);

/* Makes shared memory of a ring accessible to the current thread. False: it cannot be. */
bool tl_port_ring_open(uintptr_t address, size_t size);

/* For ftrace: the current thread's tracing state, NULL where there is no thread yet; and the context it is in: 0
 * thread, 1 interrupt, 2 NMI, 3 breakpoint or other exception. Any context; these two are never traced. */
struct tl_trace_thread *tl_port_trace_thread(void);
unsigned tl_port_context(void);

/* The TSC. Any side. */
uint64_t tl_port_clock(void);

/* Trap side. The frame contract: the registers are complete and value can be pushed on the interrupted stack.
 * *regs may move. */
void tl_port_push(struct tl_regs **regs, uintptr_t value);

/* Trap side. The byte of text at address, as memory holds it now. */
uint8_t tl_port_text_byte(uintptr_t address);

/* Any side. Does not return: an invariant is broken, what says which. */
__attribute__((noreturn)) void tl_port_panic(const char *what);

#define TL_ASSERT(condition)                                                                                           \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            tl_port_panic(__FILE__ ": " #condition);                                                                   \
    } while (0)

#ifdef __cplusplus
}
#endif

#endif
