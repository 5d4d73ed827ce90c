/* SPDX-License-Identifier: MIT
 *
 * What port/linux and the agent share: the kernel's structures as the kernel lays them out (no libc here), and the
 * calls between the port's files. Sources: the kernel's uapi headers, sigaction(2), membarrier(2).
 */
#ifndef TL_PORT_LINUX_H
#define TL_PORT_LINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <trapline/status.h>

enum {
    TLI_EINTR = 4,
    TLI_EAGAIN = 11,
    TLI_ESRCH = 3,
    TLI_PROT_READ = 1,
    TLI_PROT_WRITE = 2,
    TLI_PROT_EXEC = 4,
    TLI_MAP_SHARED = 1,
    TLI_MAP_PRIVATE = 2,
    TLI_MAP_FIXED = 0x10,
    TLI_MAP_ANONYMOUS = 0x20,
    TLI_MAP_NORESERVE = 0x4000,
    TLI_MAP_FIXED_NOREPLACE = 0x100000,
    TLI_MADV_WIPEONFORK = 18,
    TLI_MREMAP_MAYMOVE = 1,
    TLI_MREMAP_FIXED = 2,
    TLI_AT_FDCWD = -100,
    TLI_O_RDWR = 2,
    TLI_O_CLOEXEC = 0x80000,
    TLI_SIGILL = 4,
    TLI_SIGTRAP = 5,
    TLI_SIG_BLOCK = 0,
    TLI_SIG_UNBLOCK = 1,
    TLI_EFAULT = 14,
    TLI_SIG_SETMASK = 2,
    TLI_PAGE = 4096,
};

#define TLI_SIGNAL_BIT(signal) (1ull << ((signal)-1))
#define TLI_OUR_SIGNALS (TLI_SIGNAL_BIT(TLI_SIGTRAP) | TLI_SIGNAL_BIT(TLI_SIGILL))

/* Kernel struct sigaction, x86-64. */
struct tli_sigaction {
    uintptr_t handler; /* 0: default, 1: ignore */
    uint64_t flags;
    uintptr_t restorer;
    uint64_t mask;
};

enum {
    TLI_SA_SIGINFO = 4,
    TLI_SA_ONSTACK = 0x08000000,
    TLI_SA_RESTORER = 0x04000000,
    TLI_SA_NODEFER = 0x40000000,
};
#define TLI_SA_RESETHAND 0x80000000u

/* text.c. Opens what text is written through; then whether that works is tried on a page of our own. */
enum tl_status tli_text_open(void);
/* Before that: what text is written through comes through this socket. Returns the descriptor, or -1. */
int tli_text_receive(int socket);
void tli_text_close(void);

/* What tl_port_text_alone() answers from now on; false at first. */
void tli_text_alone(bool is);

/* Replaces the bytes at address in one go, for threads that cannot take a signal: a copy of the page, edited, is moved
 * over it; who executes there meanwhile waits in the page fault. */
enum tl_status tli_text_swap(uintptr_t address, const void *from, size_t size);

/* mapping.c. The way back from a swap: writes the bytes by mapping the file's page again, if it holds just them. */
bool tli_mapping_restore(uintptr_t address, const void *from, size_t size);

/* serialize.c */
enum tl_status tli_serialize_open(void);

/* signal.c. Takes SIGTRAP and SIGILL over, and out of all handlers' masks; gives them back. */
enum tl_status tli_signal_take(void);
void tli_signal_give_back(void);

/* guard.c: the actions for SIGTRAP and SIGILL that the program believes to be in force. */
extern struct tli_sigaction tli_signal_program[2];
static inline unsigned tli_signal_index(int signal)
{
    return signal == TLI_SIGTRAP ? 0 : 1;
}

/* guard.c: what a thread believes about SIGTRAP and SIGILL, in the word that core/ring.c keeps for it: the low half the
 * signals that it has blocked, the high half those that came meanwhile and wait. All zero where nothing is known. */
uint64_t *tli_guard_mask(void);
/* Sends the thread what it has waiting and no longer blocked. */
void tli_guard_send_held(uint64_t *mask);
#define TLI_MASK_PENDING(signals) ((uint64_t)(signals) << 32)

/* A system call that a guard has before it: what tl_stub_guard in entry.S has pushed. */
struct tli_guard_call {
    uint64_t ax;
    uint64_t argument[6]; /* di si dx r10 r8 r9 */
};

/* Reads the program's memory as the kernel would: false where that would say EFAULT. */
bool tli_guard_read(void *to, uintptr_t from, size_t size);

/* wait.c: the calls that wait under a mask of their own. True: the call is done, its result in ax. */
bool tli_guard_wait(struct tli_guard_call *call);

/* unmap.c: no text goes while it is poked. True: as above. */
bool tli_guard_unmap(struct tli_guard_call *call);

/* guard.c: a child that shares our memory until it executes. */
bool tli_guard_borrowed_memory(void);

/* entry.S, addresses that stubs call and the kernel returns through. */
extern const uint8_t tl_stub_slow[], tl_stub_gate[], tl_stub_guard[], tli_signal_restorer[];

/* thread.c */
extern uint32_t tli_process_id; /* of the traced process, as it sees itself */
void tli_sleep(uint64_t ns);

#endif
