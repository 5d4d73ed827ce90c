/* SPDX-License-Identifier: MIT
 *
 * See native.h. One signal gives the test's registers to the kernel to load, the next one takes them back; both on an
 * alternate stack, so that nothing but the instruction touches the test's stack.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <tests/core/native.h>
#include <ucontext.h>

uint8_t *native_code, *native_data;
native_offer *native_offered;
int native_signal;

static struct tl_regs *volatile now;
static gregset_t saved;

#ifdef __x86_64__
static const int order[TL_ARCH_GPRS] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                        REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
enum { IP = REG_RIP, FLAGS = REG_EFL };
#else
static const int order[TL_ARCH_GPRS] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI};
enum { IP = REG_EIP, FLAGS = REG_EFL };
#endif

static void load(struct tl_regs *to, const greg_t *from)
{
    for (unsigned i = 0; i < TL_ARCH_GPRS; i++)
        to->gpr[i] = (uintptr_t)from[order[i]];
    to->ip = (uintptr_t)from[IP];
    to->flags = (uintptr_t)from[FLAGS];
}

static void store(greg_t *to, const struct tl_regs *from)
{
    for (unsigned i = 0; i < TL_ARCH_GPRS; i++)
        to[order[i]] = (greg_t)from->gpr[i];
    to[IP] = (greg_t)from->ip;
    to[FLAGS] = (greg_t)from->flags;
}

/* What is not taken goes on as the run's end, with what the other has made of the registers. */
static bool is_taken(int signal, greg_t *gregs)
{
    struct tl_regs trapped, *regs = &trapped;
    load(&trapped, gregs);
    bool taken = native_offered(signal, &regs);
    store(gregs, regs);
    return taken;
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    (void)info;
    if (signal == SIGUSR1) {
        memcpy(saved, regs, sizeof(saved));
        store(regs, now);
        return;
    }
    if (native_offered && is_taken(signal, regs))
        return;
    native_signal = signal;
    load(now, regs);
    now->ip -= signal == SIGTRAP;
    memcpy(regs, saved, sizeof(saved));
}

static uint8_t *map(uintptr_t address, size_t size, int protection)
{
    void *memory = mmap((void *)address, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || (uintptr_t)memory + size > INT32_MAX) {
        perror("mmap");
        exit(1);
    }
    return memory;
}

void native_begin(void)
{
    static uint8_t stack[64 * 1024];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    const int signals[] = {SIGUSR1, SIGTRAP, SIGSEGV, SIGILL, SIGBUS, SIGFPE};
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    sigaltstack(&alternate, 0);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, 0);
    native_code = map(0x20000000, NATIVE_CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
    native_data = map(0x20100000, NATIVE_DATA_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
    memset(native_code, 0xcc, NATIVE_CODE_BYTES);
}

void native_run(struct tl_regs *regs)
{
    now = regs;
    raise(SIGUSR1);
}
