/* SPDX-License-Identifier: MIT
 *
 * The trap entry in user space: SIGTRAP for int3, SIGILL for the other bytes that trap, and what happens to a signal
 * that is not ours. Everything a trap of ours runs through is in .text.trap. The kernel puts the signal frame below the
 * red zone, so tl_port_push has its room (docs/protocol.md).
 */
#include <core/ring.h>
#include <core/section.h>
#include <core/trap.h>
#include <port/linux/linux.h>
#include <regs.h>
#include <syscall.h>
#include <trapline/port.h>

/* struct sigcontext_64 of the kernel's uapi, up to what we use; 256 bytes with the rest. */
struct context {
    uint64_t r8_to_r15[8];
    uint64_t di, si, bp, bx, dx, ax, cx, sp, ip, flags;
    uint64_t rest[14];
};

/* struct ucontext of the kernel's uapi. */
struct frame {
    uint64_t flags;
    uint64_t link;
    uint64_t stack[3];
    struct context context;
    uint64_t mask;
};

struct info {
    int32_t signal, error, code, padding;
    uint64_t address;
};

enum { SI_KERNEL = 0x80, ACTION_DEFAULT = 0, ACTION_IGNORE = 1 };

struct tli_sigaction tli_signal_program[2];

static const int ours[2] = {TLI_SIGTRAP, TLI_SIGILL};

TLI_TRAP static void load(struct tl_regs *regs, const struct context *context)
{
    uint64_t *gpr = regs->gpr;
    gpr[TL_REG_AX] = context->ax;
    gpr[TL_REG_CX] = context->cx;
    gpr[TL_REG_DX] = context->dx;
    gpr[TL_REG_BX] = context->bx;
    gpr[TL_REG_SP] = context->sp;
    gpr[TL_REG_BP] = context->bp;
    gpr[TL_REG_SI] = context->si;
    gpr[TL_REG_DI] = context->di;
    for (int i = 0; i < 8; i++)
        gpr[8 + i] = context->r8_to_r15[i];
    regs->ip = context->ip;
    regs->flags = context->flags;
}

TLI_TRAP static void store(struct context *context, const struct tl_regs *regs)
{
    const uint64_t *gpr = regs->gpr;
    context->ax = gpr[TL_REG_AX];
    context->cx = gpr[TL_REG_CX];
    context->dx = gpr[TL_REG_DX];
    context->bx = gpr[TL_REG_BX];
    context->sp = gpr[TL_REG_SP];
    context->bp = gpr[TL_REG_BP];
    context->si = gpr[TL_REG_SI];
    context->di = gpr[TL_REG_DI];
    for (int i = 0; i < 8; i++)
        context->r8_to_r15[i] = gpr[8 + i];
    context->ip = regs->ip;
    context->flags = regs->flags;
}

TLI_TRAP void tl_port_push(struct tl_regs **regs, uintptr_t value)
{
    uint64_t sp = (*regs)->gpr[TL_REG_SP] -= sizeof(uintptr_t);
    *(uintptr_t *)sp = value;
}

TLI_TRAP uint8_t tl_port_text_byte(uintptr_t address)
{
    return *(const volatile uint8_t *)address;
}

/* Lets the default action happen, with the registers as they were when the signal came. */
static void default_action(int signal, const struct info *info, struct frame *frame)
{
    struct tli_sigaction action = {0};
    tl_syscall4(TL_SYS_RT_SIGACTION, signal, &action, 0, sizeof(action.mask));
    if (info->code == SI_KERNEL && signal == TLI_SIGTRAP) {
        frame->context.ip--; /* the int3 is executed again, and kills with everything a core dump wants to know */
        if (tl_port_text_byte(frame->context.ip) != 0xcc)
            frame->context.ip--; /* cd 03 */
    } else if (info->code <= 0 || signal == TLI_SIGTRAP) {
        tl_syscall3(TL_SYS_TGKILL, tl_syscall0(TL_SYS_GETPID), tl_syscall0(TL_SYS_GETTID), signal);
    }
}

/* Runs the program's own handler as the kernel would have; SIGTRAP and SIGILL are blocked in name only. */
static void program_handler(int signal, struct info *info, struct frame *frame, uint64_t *blocked)
{
    struct tli_sigaction *program = &tli_signal_program[tli_signal_index(signal)];
    struct tli_sigaction action = *program;
    uint64_t before = *blocked & TLI_OUR_SIGNALS;
    if (action.flags & TLI_SA_RESETHAND)
        *program = (struct tli_sigaction){0};
    *blocked |= action.mask & TLI_OUR_SIGNALS;
    if (!(action.flags & TLI_SA_NODEFER))
        *blocked |= TLI_SIGNAL_BIT(signal);
    uint64_t mask = (frame->mask | action.mask) & ~TLI_OUR_SIGNALS;
    tl_syscall4(TL_SYS_RT_SIGPROCMASK, TLI_SIG_SETMASK, &mask, 0, sizeof(mask));
    if (action.flags & TLI_SA_SIGINFO)
        ((void (*)(int, void *, void *))action.handler)(signal, info, frame);
    else
        ((void (*)(int))action.handler)(signal);
    *blocked = (*blocked & ~(uint64_t)TLI_OUR_SIGNALS) | before;
    tli_guard_send_held(blocked);
}

/* Where the trap path is left for good: what follows is the program's signal, with the program's own rules. */
void tli_signal_not_ours(int signal, struct info *info, struct frame *frame);
void tli_signal_not_ours(int signal, struct info *info, struct frame *frame)
{
    const struct tli_sigaction *program = &tli_signal_program[tli_signal_index(signal)];
    uint64_t *blocked = tli_guard_mask();
    bool sent = info->code <= 0; /* else the CPU raised it: it cannot be ignored, and kills where it is blocked */
    if (sent && (*blocked & TLI_SIGNAL_BIT(signal)))
        *blocked |= TLI_MASK_PENDING(TLI_SIGNAL_BIT(signal));
    else if (sent && program->handler == ACTION_IGNORE)
        return;
    else if (program->handler == ACTION_DEFAULT || program->handler == ACTION_IGNORE ||
             (*blocked & TLI_SIGNAL_BIT(signal)))
        default_action(signal, info, frame);
    else
        program_handler(signal, info, frame, blocked);
}

/* The one handler. All signals are blocked while it runs, so it does not nest. */
TLI_TRAP static void on_signal(int signal, struct info *info, struct frame *frame)
{
    bool raised_by_cpu = signal == TLI_SIGTRAP ? info->code == SI_KERNEL : info->code > 0;
    if (raised_by_cpu) {
        struct tl_regs regs, *where = &regs;
        load(&regs, &frame->context);
        uintptr_t address = signal == TLI_SIGTRAP ? regs.ip - 1 : regs.ip;
        if (tli_trap(&where, address)) {
            store(&frame->context, where);
            tli_ring_count_trap();
            return;
        }
    }
    tli_signal_not_ours(signal, info, frame);
}

static long action_of(int signal, const struct tli_sigaction *set, struct tli_sigaction *get)
{
    return tl_syscall4(TL_SYS_RT_SIGACTION, signal, set, get, sizeof(set->mask));
}

enum tl_status tli_signal_take(void)
{
    struct tli_sigaction action; /* no initialiser: a constant one would hold addresses, which the image cannot */
    action.handler = (uintptr_t)on_signal;
    action.flags = TLI_SA_SIGINFO | TLI_SA_ONSTACK | TLI_SA_RESTORER;
    action.restorer = (uintptr_t)tli_signal_restorer;
    action.mask = ~0ull;
    for (int i = 0; i < 2; i++) {
        struct tli_sigaction before;
        if (action_of(ours[i], &action, &before) != 0)
            return TL_DENIED;
        if (before.handler != action.handler) /* else: left in place by an earlier session */
            tli_signal_program[i] = before;
    }
    for (int signal = 1; signal <= 64; signal++) {
        struct tli_sigaction other;
        if (signal == TLI_SIGTRAP || signal == TLI_SIGILL || action_of(signal, 0, &other) != 0)
            continue;
        if (other.handler > ACTION_IGNORE && (other.mask & TLI_OUR_SIGNALS)) {
            other.mask &= ~TLI_OUR_SIGNALS;
            action_of(signal, &other, 0);
        }
    }
    return TL_OK;
}

void tli_signal_give_back(void)
{
    for (int i = 0; i < 2; i++) {
        struct tli_sigaction now;
        if (action_of(ours[i], 0, &now) == 0 && now.handler == (uintptr_t)on_signal)
            action_of(ours[i], &tli_signal_program[i], 0);
    }
}
