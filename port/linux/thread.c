/* SPDX-License-Identifier: MIT
 *
 * Threads, time and the end, in user space.
 */
#include <cpu.h>
#include <port/linux/linux.h>
#include <syscall.h>
#include <trapline/port.h>

uint32_t tli_process_id;

uint32_t tl_port_thread_id(void)
{
    return (uint32_t)tl_syscall0(TL_SYS_GETTID);
}

uintptr_t tl_port_thread_pointer(void)
{
    return tl_arch_thread_pointer();
}

void *tl_port_thread_block(void)
{
    return (void *)tl_arch_block();
}

void tl_port_thread_block_set(void *block)
{
    tl_arch_block_set((uintptr_t)block);
}

bool tl_port_thread_exists(uint32_t id)
{
    return tl_syscall3(TL_SYS_TGKILL, tli_process_id, id, 0) != -TLI_ESRCH;
}

bool tl_port_ring_open(uintptr_t address, size_t size)
{
    return tl_syscall3(TL_SYS_MPROTECT, address, size, TLI_PROT_READ | TLI_PROT_WRITE) == 0;
}

uint64_t tl_port_clock(void)
{
    return tl_arch_clock();
}

uint64_t tl_port_interrupts_off(void)
{
    uint64_t all = ~0ull, before = 0;
    tl_syscall4(TL_SYS_RT_SIGPROCMASK, TLI_SIG_BLOCK, &all, &before, sizeof(all));
    return before;
}

void tl_port_interrupts_restore(uint64_t state)
{
    tl_syscall4(TL_SYS_RT_SIGPROCMASK, TLI_SIG_SETMASK, &state, 0, sizeof(state));
}

void tli_sleep(uint64_t ns)
{
    int64_t time[2] = {(int64_t)(ns / 1000000000u), (int64_t)(ns % 1000000000u)};
    tl_syscall2(TL_SYS_NANOSLEEP, time, 0);
}

void tl_port_relax(void)
{
    tli_sleep(50000);
}

/* An invariant is broken: to go on could corrupt the program, so it ends here, where a core dump shows why. */
_Noreturn void tl_port_panic(const char *what)
{
    static const char *volatile tli_panic_reason;
    tli_panic_reason = what;
    (void)tli_panic_reason;
    __builtin_trap();
}
