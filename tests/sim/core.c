/* SPDX-License-Identifier: MIT
 *
 * The cores of the simulated world: each executes the windows' instructions as it sees them, traps into the engine, and
 * runs stubs. The claims are checked here. The writer is in writer.c.
 */
#include <core/trap.h>
#include <regs.h>
#include <string.h>
#include <tests/sim/world.h>

#define JMP 0xe9
#define INT3 0xcc

struct core {
    uintptr_t ip;
    unsigned pass, insn, window; /* what comes next in the program's own order */
    unsigned begun;              /* passes */
    int promise;                 /* what the call in the first window was promised */
    bool call, recorded;         /* the pass began at a head; its entry in this window is recorded */
    uint64_t handler;            /* in the handler: the writer's progress when it was entered, plus 1 */
    bool trapped, done;
};

static struct core cores[TL_SIM_CORES];

void world_core_reset(void)
{
    memset(cores, 0, sizeof(cores));
}

void world_core_any(void)
{
    for (unsigned i = 0; i < TL_SIM_CORES; i++)
        cores[i].promise = -1;
}

uint64_t world_core_state(void)
{
    uint64_t hash = 0;
    for (unsigned i = 0; i < world.cores; i++) {
        const struct core *core = &cores[i];
        hash = tl_sim_mix(hash, core->ip);
        hash = tl_sim_mix(hash, core->handler);
        hash = tl_sim_mix(hash, (uint64_t)core->begun << 16 | core->insn << 8 | core->window);
        hash = tl_sim_mix(hash, (uint64_t)(core->promise + 1) << 4 | (uint64_t)core->call << 3 |
                                    (uint64_t)core->recorded << 2 | (uint64_t)core->trapped << 1 | core->done);
    }
    return hash;
}

/* A call begins at the head of the window that comes next. */
static void call(struct core *core)
{
    core->insn = 0;
    core->call = true;
    core->recorded = false;
    core->promise = world_promise();
}

/* All instructions of the window from the current one on have run, here or in a stub: on to the next window. */
static void behind(struct core *core)
{
    const struct world_window *window = &world.window[core->window];
    if (core->call && core->promise == 1 && !core->recorded)
        tl_sim_fail("EXACT: a call is not recorded");
    core->window++;
    if (core->window < world.windows) {
        window++;
        core->ip = window->address;
        call(core);
    }
}

static void record(struct core *core)
{
    if (core->insn != 0 || !core->call)
        tl_sim_fail("EXACT: recorded what is no call");
    if (core->recorded)
        tl_sim_fail("ONCE: recorded twice");
    if (core->promise == 0)
        tl_sim_fail("EXACT: recorded after the site was taken out");
    core->recorded = true;
}

static void run_stub(struct core *core)
{
    unsigned number;
    const struct tli_site *site = world_stub_at(core->ip, &number);
    if (!site || number != core->window) {
        tl_sim_fail("TORN: nowhere");
        return;
    }
    const struct world_window *window = &world.window[number];
    if (core->ip == site->stub) {
        record(core);
        behind(core);
        return;
    }
    for (unsigned i = core->insn; i <= core->insn && i < window->count; i++)
        if (core->ip == site->stub + site->label[world_offset(window, i) % TLI_SITE_BYTES]) {
            behind(core);
            return;
        }
    tl_sim_fail("ORDER: another instruction's copy");
}

/* The handler, which may be late. */
static void trap(struct core *core)
{
    struct tl_regs regs = {.ip = core->ip + 1}, *where = &regs;
    core->trapped = true;
    tl_sim_stop("trap is delivered", core->ip, 0);
    core->handler = tl_sim_progress(0) + 1;
    bool mine = tli_trap(&where, core->ip);
    core->handler = 0;
    core->trapped = false;
    bool theirs = world_application() && core->ip == world.window[0].address;
    if (mine) {
        uint8_t byte = 0;
        if (theirs)
            tl_sim_text_get(core->ip, &byte, 1);
        if (byte == INT3)
            tl_sim_fail("THEIRS: the application's int3 is not passed on");
        core->ip = where->ip;
    } else if (theirs) {
        core->insn = 1; /* it steps over its breakpoint, as debuggers do */
        core->ip += world.window[0].length[0];
    } else {
        tl_sim_fail("OURS: a trap of ours goes to the application");
    }
}

/* jmp rel32, byte by byte. */
static void jump(struct core *core, unsigned number)
{
    uint32_t distance = 0;
    for (unsigned i = 0; i < 4; i++)
        distance |= (uint32_t)tl_sim_fetch(number, core->ip + 1 + i) << 8 * i;
    core->ip += TLI_SITE_BYTES + (uintptr_t)(intptr_t)(int32_t)distance;
    if (core->ip != world_site(core->window)->stub)
        tl_sim_fail("TORN: a jmp to nowhere");
}

static void execute(struct core *core, unsigned number)
{
    const struct world_window *window = &world.window[core->window];
    unsigned offset = world_offset(window, core->insn);
    uint8_t first = tl_sim_fetch(number, core->ip);
    if (first == INT3 || (first == window->inner && offset != 0)) {
        if (first == INT3 && offset == 0 && world_quiet())
            tl_sim_fail("QUIET: a temporary int3 is fetched after the poke");
        trap(core);
    } else if (first == JMP && offset == 0) {
        jump(core, number);
    } else if (first == world_old_byte(window, offset)) {
        for (unsigned i = 1; i < window->length[core->insn]; i++)
            if (tl_sim_fetch(number, core->ip + i) != world_old_byte(window, offset + i))
                tl_sim_fail("TORN: an old instruction with a new tail");
        if (core->insn == 0 && core->call && core->promise == 1)
            tl_sim_fail("EXACT: a call is not recorded");
        core->ip += window->length[core->insn];
        if (++core->insn == window->count)
            behind(core);
    } else {
        tl_sim_fail("TORN: a byte that begins nothing");
    }
}

void world_core(void)
{
    unsigned number = tl_sim_task() - 1;
    struct core *core = &cores[number];
    for (core->pass = 0; core->pass < world.passes[number]; core->pass++) {
        unsigned begin = world.begin[number][core->pass];
        core->begun++;
        core->window = 0;
        core->insn = 0;
        tl_sim_stop("begins at instruction", 0, begin);
        call(core);
        core->insn = begin;
        core->call = begin == 0;
        core->ip = world.window[0].address + world_offset(&world.window[0], begin);
        while (core->window < world.windows && !tl_sim_failed()) {
            tl_sim_stop("at", core->ip, core->insn);
            if (world_window_at(core->ip))
                execute(core, number);
            else
                run_stub(core);
        }
    }
    core->done = true;
}
