/* SPDX-License-Identifier: MIT
 *
 * The agent's thread: gets the process ready, then obeys the tracer's commands until it is told to quit, or the tracer
 * is gone. The protocol is in wire/control.h; arming is in arm.c.
 */
#include <agent/agent.h>
#include <core/poke.h>
#include <core/ring.h>
#include <core/sample.h>
#include <port/linux/linux.h>
#include <syscall.h>
#include <trapline/port.h>

enum { PR_SET_NAME = 15, POLLIN = 1, POLL_MS = 250, GRACE_NS = 20000000 };

struct pollfd {
    int32_t fd;
    int16_t events, revents;
};

void tl_agent_main(struct tl_boot *boot);

/* The descriptors copied from the target would keep its pipes and sockets open: all but ours are closed at once. */
static void close_others(const int keep[3])
{
    for (unsigned from = 0, next; from != ~0u; from = next + 1) {
        next = ~0u - 1;
        for (int i = 0; i < 3; i++)
            if (keep[i] >= 0 && (unsigned)keep[i] >= from && (unsigned)keep[i] < next)
                next = (unsigned)keep[i];
        if (next > from)
            tl_syscall3(TL_SYS_CLOSE_RANGE, from, next - 1, 0);
    }
}

static enum tl_status make_blocks(struct tl_boot *boot, const struct tl_control *control)
{
    if (control->mode == TL_RING_COUNT && !tli_ring.scrap)
        tli_ring.scrap = tl_port_memory(TL_COUNTERS_BYTES); /* without it children count the slow way */
    if (control->one_in > 1 && !tli_ring.samples) {
        tli_ring.samples = tl_port_memory(TL_THREADS_MAX * sizeof(struct tli_samples));
        if (!tli_ring.samples)
            return TL_NO_MEMORY;
    }
    if (tli_ring.threads) { /* an earlier session's: threads point to them for ever */
        boot->blocks = (uintptr_t)tli_ring.threads->block;
        boot->blocks_bytes = sizeof(tli_ring.threads->block);
        return TL_OK;
    }
    struct tli_threads *threads = tl_port_memory(sizeof(*threads));
    uint8_t *waste = tl_port_memory(TL_THREADS_MAX * TLI_WASTE_BYTES);
    if (!threads || !waste)
        return TL_NO_MEMORY;
    if (tl_syscall3(TL_SYS_MADVISE, threads, (sizeof(*threads) + TLI_PAGE - 1) & ~(size_t)(TLI_PAGE - 1),
                    TLI_MADV_WIPEONFORK) != 0)
        return TL_NOT_SUPPORTED;
    boot->blocks = (uintptr_t)threads->block;
    boot->blocks_bytes = sizeof(threads->block);
    tli_ring.threads = threads;
    tli_site_readers_at(&threads->readers);
    tli_ring.waste = waste;
    return TL_OK;
}

static enum tl_status start(struct tl_boot *boot, struct tl_control *control)
{
    static uint32_t session;
    if (control->magic != TL_CONTROL_MAGIC || control->version != TL_AGENT_VERSION ||
        control->ring_bytes < 2 * TL_CHUNK_BYTES || control->ring_bytes % TL_CHUNK_BYTES != 0 ||
        (control->mode == TL_RING_COUNT && control->ring_bytes != TL_COUNTERS_BYTES))
        return TL_BAD_ARGUMENT;
    control->agent_tid = tl_port_thread_id();
    tli_poke_count = (struct tli_poke_count){0};
    enum tl_status status = tli_text_open();
    if (status == TL_OK)
        status = tli_serialize_open();
    if (status == TL_OK)
        status = make_blocks(boot, control);
    if (status == TL_OK)
        status = tli_signal_take();
    if (status == TL_OK) {
        /* A process forked while its parent was traced has the parent's sites, and nobody to take them out. */
        tli_agent_disarm(control);
        tli_agent_disarm_guards();
        tli_ring_start(control, ++session);
    }
    return status;
}

/* Everything out, and the signals back once no trap of ours can still be on its way. */
static void stop(struct tl_control *control)
{
    tli_agent_disarm(control);
    tli_ring_stop();
    tli_agent_disarm_guards();
    for (int i = 0; i < 100; i++) {
        tli_sleep(GRACE_NS);
        if (!tli_agent_signal_pending())
            break;
    }
    tli_signal_give_back();
}

static void obey(struct tl_control *control)
{
    struct tl_wire_site *sites = (struct tl_wire_site *)((uintptr_t)control + TL_SITES_OFFSET);
    control->status = TL_OK;
    tli_text_alone(control->alone != 0);
    switch (control->command) {
    case TL_COMMAND_ARM:
        if (control->site_first > TL_SITES_MAX || control->site_count > TL_SITES_MAX - control->site_first)
            control->status = TL_BAD_ARGUMENT;
        else
            control->status = tli_agent_arm(control, sites + control->site_first, control->site_count);
        break;
    case TL_COMMAND_DISARM:
        tli_agent_disarm(control);
        break;
    case TL_COMMAND_RETIRE:
        tli_agent_retire(control);
        break;
    case TL_COMMAND_QUIT:
        stop(control);
        break;
    case TL_COMMAND_PING:
        break;
    default:
        control->status = TL_BAD_ARGUMENT;
    }
    tli_text_alone(false); /* as long as the tracer has just looked */
    control->batches = tli_poke_count.batches;
    control->membarriers = tli_poke_count.serialisations;
}

static void answer(const struct tl_boot *boot)
{
    char byte = 1;
    tl_syscall3(TL_SYS_WRITE, boot->answer_fd, &byte, 1);
}

static void serve(struct tl_boot *boot, struct tl_control *control)
{
    for (;;) {
        struct pollfd poll = {boot->command_fd, POLLIN, 0};
        long ready = tl_syscall3(TL_SYS_POLL, &poll, 1, POLL_MS);
        if (ready == 0 && tli_agent_alone())
            return; /* nobody left to trace: do not keep the process alive */
        /* [W4] acquire: pairs with the release in send_agent_away(), port/linux/guard.c. */
        if (atomic_load_explicit((_Atomic uint32_t *)&control->confined, memory_order_acquire)) {
            stop(control);
            return;
        }
        if (ready <= 0)
            continue;
        char byte;
        long got = tl_syscall3(TL_SYS_READ, boot->command_fd, &byte, 1);
        if (got == -TLI_EINTR || got == -TLI_EAGAIN)
            continue;
        if (got != 1) { /* the tracer has died: leave nothing behind */
            stop(control);
            return;
        }
        obey(control);
        bool quit = control->command == TL_COMMAND_QUIT;
        if (quit)
            boot->resident = 1;
        answer(boot);
        if (quit)
            return;
    }
}

/* A session that cannot begin leaves nothing large behind. Over memory of an earlier one a thread may still store. */
static void forget(struct tl_boot *boot)
{
    if (boot->shared_before)
        return;
    tl_syscall2(TL_SYS_MUNMAP, boot->shared, boot->shared_bytes);
    boot->shared = boot->shared_bytes = 0;
}

void tl_agent_main(struct tl_boot *boot)
{
    struct tl_control *placed = (struct tl_control *)boot->shared;
    boot->resident = 2;
    tl_syscall2(TL_SYS_PRCTL, PR_SET_NAME, "trapline");
    tl_port_interrupts_off();
    tli_process_id = (uint32_t)tl_syscall0(TL_SYS_GETPID);
    struct tl_control *control = tli_agent_settle(boot);
    int keep[3];
    keep[0] = boot->command_fd;
    keep[1] = boot->answer_fd;
    keep[2] = boot->text_socket >= 0 ? tli_text_receive(boot->text_socket) : -1;
    close_others(keep);
    enum tl_status status = control ? start(boot, control) : TL_NO_MEMORY;
    if (!control)
        control = placed;
    control->status = status;
    if (status != TL_OK)
        boot->resident = 1;
    answer(boot);
    if (status == TL_OK)
        serve(boot, control);
    else
        forget(boot);
    boot->resident = 1;
    tli_text_close();
}
