/* SPDX-License-Identifier: MIT
 *
 * The writer of the simulated world: makes site records as the agent does, and arms and disarms them by the engine. The
 * cores are in core.c.
 */
#include <stdlib.h>
#include <string.h>
#include <tests/sim/world.h>
#include <trapline/port.h>

#define JMP 0xe9
#define INT3 0xcc
#define STUB_BYTES 256

struct world_plan world;

/* Records take turns between sets: the table may still hold one set, and late traps belong to it. A plan has sets of
 * its own, since the tombstones of the plan before stay in the table. */
#define SETS 4
struct plan_records {
    struct tli_site site[SETS][WORLD_SITES];
    struct plan_records *before;
};
static struct plan_records *records;
static unsigned set, arms; /* arms: in this execution; executions are alike */

static int promise;
static uint64_t promise_from; /* serialisations, from which on it is in force */
static bool quiet, application;
static uint8_t application_byte;

unsigned world_offset(const struct world_window *window, unsigned insn)
{
    unsigned offset = 0;
    for (unsigned i = 0; i < insn; i++)
        offset += window->length[i];
    return offset;
}

uint8_t world_old_byte(const struct world_window *window, unsigned offset)
{
    for (unsigned i = 0; i < window->count; i++)
        if (world_offset(window, i) == offset)
            return (uint8_t)(0x50 + i);
    return (uint8_t)(0x10 + offset);
}

const struct world_window *world_window_at(uintptr_t address)
{
    for (unsigned i = 0; i < world.windows; i++) {
        const struct world_window *window = &world.window[i];
        if (address - window->address < world_offset(window, window->count))
            return window;
    }
    return 0;
}

const struct tli_site *world_site(unsigned i)
{
    return &records->site[set][i];
}

const struct tli_site *world_stub_at(uintptr_t address, unsigned *window)
{
    for (unsigned s = 0; s < SETS; s++)
        for (unsigned i = 0; i < world.windows; i++)
            if (records->site[s][i].stub && address - records->site[s][i].stub < STUB_BYTES) {
                *window = i;
                return &records->site[s][i];
            }
    return 0;
}

int world_promise(void)
{
    if (promise >= 0 && tli_poke_count.serialisations < promise_from)
        return -1;
    return promise;
}

bool world_quiet(void)
{
    return quiet;
}

bool world_application(void)
{
    return application;
}

/* From the first serialisation on nobody runs the other meaning. */
static void promise_next(int what)
{
    promise = what;
    promise_from = tli_poke_count.serialisations + 1;
    quiet = false;
    world_core_any();
}

/* The displacement is made up byte by byte; where it leads is where the stub is. No two records share one. */
static void make_jump(struct tli_site *site, const struct world_window *window, unsigned i)
{
    uint8_t displacement[4] = {(uint8_t)(0x20 + i + 16 * arms), (uint8_t)(0x30 + arms), (uint8_t)(0x40 + i),
                               (uint8_t)(0x08 + arms)};
    unsigned whole = world_offset(window, window->count);
    site->size = (uint8_t)(whole < TLI_SITE_BYTES ? whole : TLI_SITE_BYTES);
    for (unsigned offset = site->size; offset < TLI_SITE_BYTES; offset++)
        displacement[offset - 1] = world_old_byte(window, offset); /* what stands behind a short window stays */
    for (unsigned k = 1; k < window->count && world_offset(window, k) < TLI_SITE_BYTES; k++) {
        unsigned offset = world_offset(window, k);
        site->starts |= (uint8_t)(1u << offset);
        displacement[offset - 1] = window->inner;
    }
    uint32_t distance = 0;
    site->new_bytes[0] = JMP;
    for (unsigned k = 0; k < 4; k++) {
        distance |= (uint32_t)displacement[k] << 8 * k;
        site->new_bytes[1 + k] = displacement[k];
    }
    site->stub = site->address + TLI_SITE_BYTES + (uintptr_t)(intptr_t)(int32_t)distance;
}

static void make_record(unsigned i, bool trap)
{
    const struct world_window *window = &world.window[i];
    struct tli_site *site = &records->site[set][i];
    memset(site, 0, sizeof(*site));
    site->address = window->address;
    site->starts = 1;
    if (trap) {
        site->size = 1;
        site->new_bytes[0] = INT3;
        site->stub = 0x7000000 + STUB_BYTES * (uintptr_t)(arms * WORLD_SITES + i);
    } else {
        make_jump(site, window, i);
    }
    for (unsigned offset = 0; offset < site->size; offset++) {
        site->old_bytes[offset] = world_old_byte(window, offset);
        site->label[offset] = (uint16_t)(32 + 16 * offset);
    }
    atomic_store_explicit(&site->state, TLI_SITE_GONE, memory_order_relaxed); /* relaxed: nobody sees it yet */
}

static void set_state(enum tli_site_state state)
{
    for (unsigned i = 0; i < world.windows; i++)
        atomic_store_explicit(&records->site[set][i].state, state, memory_order_release);
}

static enum tl_status poke(enum tli_poke_direction direction, size_t *differs)
{
    struct tli_site *sites[WORLD_SITES];
    for (unsigned i = 0; i < world.windows; i++)
        sites[i] = &records->site[set][i];
    return tli_poke(sites, world.windows, direction, differs);
}

static void spoil_last(void)
{
    const struct world_window *window = &world.window[world.windows - 1];
    unsigned last = world_offset(window, window->count - 1);
    uint8_t byte = 0x99;
    tl_sim_text_set(window->address + last, &byte, 1);
}

static void arm(enum world_step step)
{
    struct tli_site *fresh[WORLD_SITES];
    size_t count = 0, differs = 0;
    if (step != WORLD_ARM_AGAIN) {
        set = (set + 1) % SETS;
        arms++;
        for (unsigned i = 0; i < world.windows; i++) {
            make_record(i, step == WORLD_ARM_TRAPS);
            fresh[count++] = &records->site[set][i];
        }
    }
    if (step == WORLD_REFUSED)
        spoil_last();
    promise_next(1);
    set_state(TLI_SITE_STANDING);
    if (tli_site_publish(fresh, count) != TL_OK)
        tl_sim_fail("publish is refused");
    enum tl_status status = poke(TLI_POKE_ARM, &differs);
    if (step == WORLD_REFUSED) {
        if (status != TL_TEXT_DIFFERS || differs != world.windows - 1)
            tl_sim_fail("a site whose bytes differ is armed");
        set_state(TLI_SITE_GONE);
        promise = 0;
        promise_from = 0;
    } else if (status != TL_OK) {
        tl_sim_fail("arming is refused");
    }
    /* An int3 that stays is fetched as long as it stands. */
    quiet = step != WORLD_ARM_TRAPS && !(step == WORLD_ARM_AGAIN && records->site[set][0].size == 1);
}

static void disarm(void)
{
    size_t differs;
    promise_next(0);
    set_state(TLI_SITE_LEAVING);
    if (poke(TLI_POKE_DISARM, &differs) != TL_OK)
        tl_sim_fail("disarming is refused");
    quiet = true;
    for (unsigned i = 0; i < world.windows; i++) {
        const struct world_window *window = &world.window[i];
        for (unsigned offset = 0; offset < TLI_SITE_BYTES; offset++) {
            uint8_t byte;
            tl_sim_text_get(window->address + offset, &byte, 1);
            if (byte != world_old_byte(window, offset))
                tl_sim_fail("REVERSIBLE: a byte is not back");
        }
    }
}

static void application_breaks(void)
{
    uint8_t byte = INT3;
    tl_sim_stop("application", world.window[0].address, byte);
    tl_sim_text_get(world.window[0].address, &application_byte, 1);
    application = true;
    quiet = false;
    tl_sim_text_set(world.window[0].address, &byte, 1);
}

static void writer(void)
{
    for (const enum world_step *step = world.step; *step != WORLD_END; step++) {
        if (*step == WORLD_DISARM)
            disarm();
        else if (*step == WORLD_APPLICATION)
            application_breaks();
        else
            arm(*step);
    }
}

static void before(void)
{
    for (unsigned i = 0; i < world.windows; i++) {
        const struct world_window *window = &world.window[i];
        uint8_t bytes[WORLD_INSNS * 15];
        unsigned size = world_offset(window, window->count);
        size = size < TLI_SITE_BYTES ? TLI_SITE_BYTES : size;
        for (unsigned offset = 0; offset < size; offset++)
            bytes[offset] = world_old_byte(window, offset);
        tl_sim_text_set(window->address, bytes, size);
    }
    promise = 0;
    promise_from = 0;
    arms = 0;
    quiet = true;
    application = false;
    world_core_reset();
}

static void after(void)
{
    /* Nothing stands, so the next execution may begin with other records. */
    set_state(TLI_SITE_GONE);
}

static uint64_t state(void)
{
    uint64_t hash = tl_sim_mix(tl_sim_text_state(), tl_sim_progress(0));
    hash = tl_sim_mix(hash, (uint64_t)(promise + 1) << 2 | (uint64_t)quiet << 1 | application);
    hash = tl_sim_mix(hash, (uint64_t)(world_promise() + 1));
    for (unsigned i = 0; i < world.windows; i++)
        hash = tl_sim_mix(hash, atomic_load_explicit(&records->site[set][i].state, memory_order_relaxed));
    return tl_sim_mix(hash, world_core_state());
}

struct tl_sim_run world_run(void)
{
    struct plan_records *fresh = calloc(1, sizeof(*fresh));
    TL_ASSERT(fresh);
    fresh->before = records;
    records = fresh;
    /* Once without a search: the first table of all is published in fewer steps than those after it. */
    before();
    arm(WORLD_ARM_TRAPS);
    disarm();
    struct tl_sim_run run = {.before = before, .task = {writer}, .after = after, .state = state};
    for (unsigned core = 0; core < world.cores; core++)
        run.task[1 + core] = world_core;
    return run;
}
