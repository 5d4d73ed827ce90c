/* SPDX-License-Identifier: MIT
 *
 * Reads a held thread's seccomp filters and runs them here, for the calls that the agent makes. See seccomp.h. The
 * instructions are those of the kernel's seccomp_check_filter().
 */
#include <errno.h>
#include <linux/audit.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <tracer/process.h>
#include <tracer/seccomp.h>

#define FILTERS_MAX 512

/* With the arguments that filters are known to look at. */
static const struct call {
    const char *name;
    int number;
    uint64_t arguments[6];
} calls[] = {
    {"memfd_create", SYS_memfd_create, {0, 1}},
    {"mmap", SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0}},
    {"mmap of executable memory", SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, 3, 0}},
    {"munmap", SYS_munmap, {4096, 4096}},
    {"mprotect", SYS_mprotect, {4096, 4096, PROT_READ | PROT_EXEC}},
    {"mremap", SYS_mremap, {4096, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, 8192}},
    {"madvise", SYS_madvise, {4096, 4096, MADV_WIPEONFORK}},
    {"pipe2", SYS_pipe2, {4096, 02000000}},
    {"close", SYS_close, {3}},
    {"close_range", SYS_close_range, {3, ~0u, 0}},
    {"clone", SYS_clone, {CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_UNTRACED, 4096}},
    {"rt_sigaction", SYS_rt_sigaction, {5, 4096, 4096, 8}},
    {"rt_sigprocmask", SYS_rt_sigprocmask, {2, 4096, 4096, 8}},
    {"membarrier", SYS_membarrier, {1 << 5}},
    {"openat", SYS_openat, {(uint64_t)-100, 4096, 02000000}},
    {"openat for writing", SYS_openat, {(uint64_t)-100, 4096, 02000002}},
    {"fstat", SYS_fstat, {3, 4096}},
    {"getdents64", SYS_getdents64, {3, 4096, 4096}},
    {"read", SYS_read, {3, 4096, 1}},
    {"write", SYS_write, {3, 4096, 1}},
    {"pread64", SYS_pread64, {3, 4096, 1, 4096}},
    {"pwrite64", SYS_pwrite64, {3, 4096, 1, 4096}},
    {"process_vm_readv", SYS_process_vm_readv, {1, 4096, 1, 4096, 1, 0}},
    {"process_vm_writev", SYS_process_vm_writev, {1, 4096, 1, 4096, 1, 0}},
    {"poll", SYS_poll, {4096, 1, 250}},
    {"nanosleep", SYS_nanosleep, {4096, 0}},
    {"gettid", SYS_gettid, {0}},
    {"getpid", SYS_getpid, {0}},
    {"prctl", SYS_prctl, {PR_SET_NAME, 4096}},
    {"exit", SYS_exit, {0}},
    /* Only for handing, from here on. */
    {"socketpair", SYS_socketpair, {1, 02000002, 0, 4096}},
    {"recvmsg", SYS_recvmsg, {3, 4096, 0x40000000}},
};

#define HANDING_CALLS 2

/* The registers of the little machine. */
struct machine {
    uint32_t a, x, memory[BPF_MEMWORDS];
};

static bool calculate(struct machine *machine, uint16_t code, uint32_t k)
{
    uint32_t operand = BPF_SRC(code) == BPF_X ? machine->x : k;
    switch (BPF_OP(code)) {
    case BPF_ADD:
        machine->a += operand;
        return true;
    case BPF_SUB:
        machine->a -= operand;
        return true;
    case BPF_MUL:
        machine->a *= operand;
        return true;
    case BPF_DIV:
        machine->a = operand ? machine->a / operand : 0;
        return operand != 0;
    case BPF_OR:
        machine->a |= operand;
        return true;
    case BPF_AND:
        machine->a &= operand;
        return true;
    case BPF_LSH:
        machine->a = operand < 32 ? machine->a << operand : 0;
        return true;
    case BPF_RSH:
        machine->a = operand < 32 ? machine->a >> operand : 0;
        return true;
    case BPF_NEG:
        machine->a = -machine->a;
        return true;
    case BPF_XOR:
        machine->a ^= operand;
        return true;
    default:
        return false;
    }
}

static bool load(struct machine *machine, const struct sock_filter *insn, const struct seccomp_data *data)
{
    uint32_t value;
    switch (BPF_MODE(insn->code)) {
    case BPF_ABS:
        if (insn->k > sizeof(*data) - 4 || insn->k % 4)
            return false;
        memcpy(&value, (const char *)data + insn->k, 4);
        break;
    case BPF_IMM:
        value = insn->k;
        break;
    case BPF_LEN:
        value = sizeof(*data);
        break;
    case BPF_MEM:
        if (insn->k >= BPF_MEMWORDS)
            return false;
        value = machine->memory[insn->k];
        break;
    default:
        return false;
    }
    *(BPF_CLASS(insn->code) == BPF_LD ? &machine->a : &machine->x) = value;
    return true;
}

/* How many instructions to skip. */
static uint32_t jump(const struct machine *machine, const struct sock_filter *insn)
{
    uint32_t operand = BPF_SRC(insn->code) == BPF_X ? machine->x : insn->k;
    bool yes = false;
    switch (BPF_OP(insn->code)) {
    case BPF_JA:
        return insn->k;
    case BPF_JEQ:
        yes = machine->a == operand;
        break;
    case BPF_JGT:
        yes = machine->a > operand;
        break;
    case BPF_JGE:
        yes = machine->a >= operand;
        break;
    case BPF_JSET:
        yes = (machine->a & operand) != 0;
        break;
    default:
        break;
    }
    return yes ? insn->jt : insn->jf;
}

/* An instruction that neither jumps nor returns. False: there is no such one. */
static bool step(struct machine *machine, const struct sock_filter *insn, const struct seccomp_data *data)
{
    switch (BPF_CLASS(insn->code)) {
    case BPF_LD:
    case BPF_LDX:
        return load(machine, insn, data);
    case BPF_ST:
    case BPF_STX:
        if (insn->k >= BPF_MEMWORDS)
            return false;
        machine->memory[insn->k] = BPF_CLASS(insn->code) == BPF_ST ? machine->a : machine->x;
        return true;
    case BPF_ALU:
        return calculate(machine, insn->code, insn->k);
    case BPF_MISC:
        if (BPF_MISCOP(insn->code) == BPF_TAX)
            machine->x = machine->a;
        else
            machine->a = machine->x;
        return true;
    default:
        return false;
    }
}

uint32_t tl_seccomp_run(const struct sock_filter *filter, size_t count, const struct seccomp_data *data)
{
    struct machine machine = {0};
    /* Jumps lead forward only, so this ends. */
    for (uint64_t at = 0; at < count; at++) {
        const struct sock_filter *insn = &filter[at];
        if (BPF_CLASS(insn->code) == BPF_RET)
            return BPF_RVAL(insn->code) == BPF_A ? machine.a : insn->k;
        if (BPF_CLASS(insn->code) == BPF_JMP)
            at += jump(&machine, insn);
        else if (!step(&machine, insn, data))
            break;
    }
    return SECCOMP_RET_KILL_PROCESS;
}

static const char *forbidden(const struct sock_filter *filter, size_t count, bool handing)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) - (handing ? 0 : HANDING_CALLS); i++) {
        struct seccomp_data data = {.nr = calls[i].number, .arch = AUDIT_ARCH_X86_64, .instruction_pointer = 4096};
        for (int k = 0; k < 6; k++)
            data.args[k] = calls[i].arguments[k];
        uint32_t action = tl_seccomp_run(filter, count, &data) & SECCOMP_RET_ACTION_FULL;
        if (action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG)
            return calls[i].name;
    }
    return NULL;
}

bool tl_seccomp_check(const struct tl_hold *hold, bool handing, char *reason, size_t size)
{
    int64_t mode = tl_process_number(hold->pid, hold->tid, "Seccomp", 10);
    if (mode <= 0)
        return true;
    if (mode == SECCOMP_MODE_STRICT) {
        snprintf(reason, size, "cannot trace %d: it is in seccomp strict mode, nothing can be placed in it",
                 (int)hold->pid);
        return false;
    }
    const char *bad = NULL;
    struct sock_filter *filter = malloc(BPF_MAXINSNS * sizeof(*filter));
    long count = 0;
    errno = ENOMEM;
    for (uintptr_t i = 0; filter && !bad && i < FILTERS_MAX; i++) {
        count = ptrace(PTRACE_SECCOMP_GET_FILTER, hold->tid, i, filter);
        if (count <= 0)
            break;
        bad = forbidden(filter, (size_t)count, handing);
    }
    int error = errno;
    free(filter);
    if (bad)
        snprintf(reason, size, "cannot trace %d: its seccomp filter forbids %s, which the agent needs", (int)hold->pid,
                 bad);
    else if (count < 0 && error != ENOENT)
        snprintf(reason, size, "cannot trace %d: its seccomp filter cannot be read (%s); run as root", (int)hold->pid,
                 strerror(error));
    else if (!filter)
        snprintf(reason, size, "cannot trace %d: %s", (int)hold->pid, strerror(ENOMEM));
    else
        return true;
    return false;
}
