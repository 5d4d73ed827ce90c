/* SPDX-License-Identifier: MIT
 *
 * Who called whom; see backtrace.h.
 */
#include <kernel/backtrace.h>
#include <kernel/console.h>
#include <kernel/peek.h>
#include <kernel/symbols.h>
#if KERNEL_FTRACE || KERNEL_KPROBES
#include <core/exit.h>
#include <kernel/thread.h>
#endif

enum { CALLERS = 32, STACK_MAX_BYTES = 64 * 1024 };

/* What push %bp; mov %sp, %bp leaves on the stack. */
struct frame {
    uintptr_t outer, caller;
};

/* The return address in the frame at that address, as it was before it was hooked. The stack is the one of some
 * thread, which lies at its low end. */
static uintptr_t caller_of(uintptr_t at, const struct frame *frame)
{
#if KERNEL_FTRACE || KERNEL_KPROBES
    const struct thread *thread = (const struct thread *)(at & -(uintptr_t)THREAD_STACK_BYTES);
    if (frame->caller == (uintptr_t)tl_exit_trampoline)
        return tl_ftrace_return_address(&thread->trace, (const uintptr_t *)at + 1);
#else
    (void)at;
#endif
    return frame->caller;
}

size_t backtrace(uintptr_t at, uintptr_t *callers, size_t room)
{
    struct frame frame;
    size_t count = 0;
    while (count < room && at % sizeof at == 0 && peek(&frame, at, sizeof frame) == sizeof frame && frame.caller) {
        callers[count++] = caller_of(at, &frame);
        if (frame.outer <= at || frame.outer - at > STACK_MAX_BYTES)
            break;
        at = frame.outer;
    }
    return count;
}

void backtrace_print(uintptr_t ip, uintptr_t frame)
{
    uintptr_t callers[CALLERS];
    char text[96];
    size_t count = backtrace(frame, callers, CALLERS);
    console_print("  %s\n", symbol_text(ip, text, sizeof text));
    for (size_t i = 0; i < count; i++) /* the call, not what is behind it: that can be another function */
        console_print("  %s\n", symbol_text(callers[i] - 1, text, sizeof text));
}
