/* SPDX-License-Identifier: MIT
 *
 * The ring-3 task; see user.h. Its code is read-only, its stack not executable.
 */
#include <kernel/console.h>
#include <kernel/layout.h>
#include <kernel/pages.h>
#include <kernel/paging.h>
#include <kernel/panic.h>
#include <kernel/segments.h>
#include <kernel/smp.h>
#include <kernel/user.h>
#include <ptregs.h>
#include <trapline/port.h>

enum { TEXT = LAYOUT_USER, STACK = LAYOUT_USER + 0x100000, STACK_BYTES = PAGE_BYTES, TEXT_BYTES = PAGE_BYTES };

static struct user {
    uintptr_t kept_sp; /* of the kernel, below user_run() */
    uintptr_t handler;
    struct tl_regs interrupted; /* by a signal */
} user;

void (*volatile user_signal_hook)(void);

static bool prepare(const uint8_t *text, size_t size)
{
    static bool mapped;
    if (!mapped)
        mapped = paging_map(TEXT, TEXT_BYTES, PAGING_READ | PAGING_USER | PAGING_EXEC) &&
                 paging_map(STACK, STACK_BYTES, PAGING_READ | PAGING_WRITE | PAGING_USER);
    if (!mapped || size > TEXT_BYTES)
        return false;
    /* its memory is the kernel's, too, where it lies */
    uint8_t *to = (uint8_t *)(uintptr_t)(paging_entry(TEXT) & -(uint64_t)PAGE_BYTES & ~(1ull << 63));
    for (size_t i = 0; i < size; i++)
        to[i] = text[i];
    return true;
}

/* By user_enter(), interrupts off: traps of the task go on below sp. */
void user_stack_set(uintptr_t sp);
void user_stack_set(uintptr_t sp)
{
    struct thread *thread = thread_current();
    thread->user_sp = sp;
    segments_kernel_stack(thread->cpu, sp);
}

int user_run(const uint8_t *text, size_t size)
{
    struct thread *thread = thread_current();
    if (!prepare(text, size))
        return -1;
    user.handler = 0;
    thread->user = &user;
    int status = user_enter(TEXT, STACK + STACK_BYTES, &user.kept_sp);
    thread->user = NULL;
    return status;
}

static void leave(int status)
{
    thread_current()->context = 0;
    tl_port_interrupts_restore(1);
    user_leave(user.kept_sp, status);
}

/* Only what is the task's own. */
static void print(uintptr_t text, size_t size)
{
    if (text >= TEXT && size <= TEXT_BYTES && text + size <= TEXT + TEXT_BYTES)
        for (size_t i = 0; i < size; i++)
            console_print("%c", ((const char *)text)[i]);
}

void user_system_call(struct pt_regs *regs)
{
    uintptr_t argument = regs->regs.gpr[TL_REG_BX];
    tl_port_interrupts_restore(1);
    switch (regs->regs.gpr[TL_REG_AX]) {
    case USER_EXIT:
        leave((int)argument);
        break;
    case USER_PRINT:
        print(argument, regs->regs.gpr[TL_REG_CX]);
        break;
    case USER_SIGNAL:
        user.handler = argument;
        break;
    case USER_RETURN:
        regs->regs = user.interrupted;
        break;
    default:
        regs->regs.gpr[TL_REG_AX] = (uintptr_t)-1;
        break;
    }
    tl_port_interrupts_off();
}

void user_signal(struct pt_regs *regs, int trap, int signal)
{
    void (*hook)(void) = user_signal_hook;
    if (hook)
        hook();
    if (!user.handler) {
        console_print("trap %d ip %p sp %p: the task gets signal %d, which ends it\n", trap, (void *)regs->regs.ip,
                      (void *)regs->regs.gpr[TL_REG_SP], signal);
        leave(-signal);
    }
    user.interrupted = regs->regs;
    regs->regs.gpr[TL_REG_AX] = (uintptr_t)signal;
    regs->regs.gpr[TL_REG_BX] = (uintptr_t)trap;
    regs->regs.gpr[TL_REG_SP] -= 256; /* below what the task may keep under its stack pointer */
    regs->regs.ip = user.handler;
}
