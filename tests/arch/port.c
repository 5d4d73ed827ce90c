/* SPDX-License-Identifier: MIT
 *
 * A port in the test's own process, so that real trampolines run over real sites: text through /proc/self/mem,
 * membarrier, SIGTRAP on a stack of its own. The engine's objects come from the library, its simulated port stays out.
 */

#include <core/ftrace.h>
#include <core/trap.h>
#include <fcntl.h>
#include <regs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <tests/arch/port.h>
#include <trapline/port.h>
#include <ucontext.h>
#include <unistd.h>

enum { SYNC_CORE = 1 << 5, REGISTER_SYNC_CORE = 1 << 6 };

bool port_no_place;
unsigned port_serialisations, port_traps;
uintptr_t port_trap_path;
_Thread_local unsigned port_context;
_Thread_local struct tl_trace_thread port_thread;
static int memory_fd = -1;
static _Thread_local char trap_stack[64 * 1024];

#ifdef __x86_64__
static const int order[TL_ARCH_GPRS] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                        REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
#define REG_IP REG_RIP
typedef uint64_t word;
#else
static const int order[TL_ARCH_GPRS] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI};
#define REG_IP REG_EIP
typedef uint32_t word;
#endif

static void on_trap(int signal, siginfo_t *info, void *ucontext)
{
    (void)signal, (void)info;
    greg_t *gregs = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
    struct tl_regs copy, *regs = &copy;
    for (int i = 0; i < TL_ARCH_GPRS; i++)
        copy.gpr[i] = (word)gregs[order[i]];
    copy.ip = (word)gregs[REG_IP];
    copy.flags = (word)gregs[REG_EFL];
    __atomic_fetch_add(&port_traps, 1, __ATOMIC_RELAXED);
    uintptr_t address = (uintptr_t)copy.ip - 1;
    if (!tli_ftrace_int3(&regs, address) && !tli_trap(&regs, address))
        tl_port_panic("an int3 that is nobody's");
    for (int i = 0; i < TL_ARCH_GPRS; i++)
        gregs[order[i]] = (greg_t)copy.gpr[i];
    gregs[REG_IP] = (greg_t)copy.ip;
}

void port_thread_open(void)
{
    stack_t stack = {.ss_sp = trap_stack, .ss_size = sizeof(trap_stack)};
    if (sigaltstack(&stack, 0) != 0)
        tl_port_panic("sigaltstack");
}

void port_open(void)
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    memory_fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    if (memory_fd < 0 || sigaction(SIGTRAP, &action, 0) != 0 || syscall(SYS_membarrier, REGISTER_SYNC_CORE, 0, 0) != 0)
        tl_port_panic("the machine lacks what this test needs");
    port_thread_open();
}

enum tl_status tl_port_text_read(uintptr_t address, void *to, size_t size)
{
    return pread(memory_fd, to, size, (off_t)address) == (ssize_t)size ? TL_OK : TL_NO_TEXT;
}

bool tl_port_text_alone(uintptr_t address)
{
    (void)address;
    return false;
}

enum tl_status tl_port_text_write(uintptr_t address, const void *from, size_t size)
{
    return pwrite(memory_fd, from, size, (off_t)address) == (ssize_t)size ? TL_OK : TL_NO_TEXT;
}

void tl_port_serialize(void)
{
    port_serialisations++;
    if (syscall(SYS_membarrier, SYNC_CORE, 0, 0) != 0)
        tl_port_panic("membarrier");
}

void tl_port_text_lock(void)
{
}

void tl_port_text_unlock(void)
{
}

bool tl_port_trap_path(uintptr_t address, size_t size)
{
    return address <= port_trap_path && port_trap_path < address + size;
}

enum tl_status tl_port_exec_map(uintptr_t address, size_t size)
{
    void *want = (void *)address, *got = MAP_FAILED;
    if (!port_no_place)
        got = mmap(want, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    return got == want ? TL_OK : TL_NO_MEMORY;
}

void *tl_port_memory(size_t size)
{
    return calloc(1, size);
}

void tl_port_memory_free(void *memory, size_t size)
{
    memset(memory, 0x5a, size); /* who still reads it is noticed */
    free(memory);
}

void tl_port_relax(void)
{
    sched_yield();
}

uint32_t tl_port_thread_id(void)
{
    return (uint32_t)((uintptr_t)&port_thread >> 12);
}

struct tl_trace_thread *tl_port_trace_thread(void)
{
    return &port_thread;
}

unsigned tl_port_context(void)
{
    return port_context;
}

uint64_t tl_port_clock(void)
{
    static uint64_t ticks;
    return __atomic_add_fetch(&ticks, 1, __ATOMIC_RELAXED);
}

void tl_port_push(struct tl_regs **regs, uintptr_t value)
{
    uintptr_t sp = (uintptr_t)((*regs)->gpr[TL_REG_SP] -= sizeof(value));
    memcpy((void *)sp, &value, sizeof(value));
}

uint8_t tl_port_text_byte(uintptr_t address)
{
    return *(const volatile uint8_t *)address;
}

_Noreturn void tl_port_panic(const char *what)
{
    fprintf(stderr, "panic: %s\n", what);
    abort();
}
