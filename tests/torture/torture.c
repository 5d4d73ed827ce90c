/* SPDX-License-Identifier: MIT
 *
 * The torture's poker: plays the agent in this process, on the real engine and the real arm.c. Arguments NAME=NUMBER:
 *     seconds=10     how long it runs, unless
 *     toggles=N      so many times a site has been put in or taken out
 *     batch=2000     sites in a batch, chosen anew each time
 *     threads=4      callers
 *     storm=500      signals a second to each of them
 *     churn=1        threads that come and go
 *     recorded=0     1: half of the functions stand all the time and every event is read: its counts must be exact
 *     break=0        1: a wrong byte in one function; 2: one site out that should stand. Both must be noticed
 * Ends with 0 and one line of figures; 98: a call went wrong; 1: anything else.
 */
#include "torture.h"
#include <agent/agent.h>
#include <core/poke.h>
#include <core/ring.h>
#include <port/linux/linux.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <trapline/port.h>
#include <unistd.h>

enum { SITES_MAX = TORTURE_SITES_MAX * TORTURE_FUNCTIONS_MAX, LOOK_AT_TEXT_EVERY = 128 };

static struct options {
    uint64_t seconds, toggles, batch, threads, storm, churn, recorded, breaks;
} options = {.seconds = 10, .batch = 2000, .threads = 4, .storm = 500, .churn = 1};

static struct tl_control *control;
static struct tl_wire_site specs[SITES_MAX];
static struct tli_site *pair[SITES_MAX];             /* of the recorded torture: the sites that come and go */
static uint32_t first_of[TORTURE_FUNCTIONS_MAX + 1]; /* function i has specs[first_of[i] .. first_of[i + 1]) */
static uint8_t *text_before;
static uint64_t toggles, batches, busy, jumps, traps;

static void fail(const char *what, unsigned long long number)
{
    printf("torture: %s (%llu)\n", what, number);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void read_options(int argc, char **argv)
{
    static const struct {
        const char *name;
        uint64_t *value;
    } known[] = {
        {"seconds=", &options.seconds}, {"toggles=", &options.toggles},   {"batch=", &options.batch},
        {"threads=", &options.threads}, {"storm=", &options.storm},       {"churn=", &options.churn},
        {"break=", &options.breaks},    {"recorded=", &options.recorded},
    };
    for (int i = 1; i < argc; i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
            size_t size = strlen(known[k].name);
            if (strncmp(argv[i], known[k].name, size) == 0) {
                *known[k].value = strtoull(argv[i] + size, NULL, 10);
                found = true;
            }
        }
        if (!found)
            fail("an argument is not known: its number", (unsigned)i);
    }
}

static void *memory(size_t bytes, int flags)
{
    void *got = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (got == MAP_FAILED)
        fail("no memory: bytes", bytes);
    return got;
}

/* What the tracer and the agent's start do for a process. */
static void become_traced(void)
{
    uint32_t ring_bytes = options.recorded ? 4u << 20 : 2 * TL_CHUNK_BYTES;
    control = memory((size_t)(TL_CHUNKS_OFFSET + (uint64_t)TL_THREADS_MAX * ring_bytes), MAP_SHARED);
    control->magic = TL_CONTROL_MAGIC;
    control->version = TL_AGENT_VERSION;
    control->ring_bytes = ring_bytes;
    control->mode = options.recorded ? TL_RING_STREAM : TL_RING_FLIGHT;
    tli_process_id = (uint32_t)getpid();
    tli_ring.threads = memory(sizeof(*tli_ring.threads), MAP_PRIVATE);
    tli_ring.waste = memory(TL_THREADS_MAX * TLI_WASTE_BYTES, MAP_PRIVATE);
    if (tli_text_open() != TL_OK || tli_serialize_open() != TL_OK || tli_signal_take() != TL_OK)
        fail("this machine does not let text be poked", 0);
    tli_ring_start(control, 1);
}

static void list_sites(void)
{
    uint32_t sites = 0;
    if (torture_count() > TORTURE_FUNCTIONS_MAX)
        fail("too many functions", torture_count());
    for (uint32_t i = 0; i < torture_count(); i++) {
        first_of[i] = sites;
        sites += torture_sites(i, &specs[sites]);
    }
    first_of[torture_count()] = sites;
    text_before = memory((size_t)(torture_text_end - torture_text), MAP_PRIVATE);
    memcpy(text_before, torture_text, (size_t)(torture_text_end - torture_text));
}

static void look_at_text(void)
{
    size_t size = (size_t)(torture_text_end - torture_text);
    if (memcmp(text_before, torture_text, size) != 0)
        fail("the text is not what it was, in batch", batches);
}

/* Puts count sites in. A thread that blocks SIGTRAP while it is being made holds the agent up for a moment. */
static void arm(struct tl_wire_site *sites, uint32_t count)
{
    enum tl_status status;
    while ((status = tli_agent_arm(control, sites, count)) == TL_BUSY)
        busy++;
    if (status != TL_OK)
        fail("arming is refused with status", status);
    for (uint32_t k = 0; k < count; k++) {
        if (sites[k].status != TL_OK)
            fail("a site is refused with status", sites[k].status);
        sites[k].tactic == TL_TACTIC_JUMP ? jumps++ : traps++;
    }
}

/* A batch of functions next to each other, beginning anywhere, every first, second or third of them. */
static uint32_t choose(struct tl_wire_site *sites)
{
    static uint64_t seed = 5;
    uint32_t count = 0, all = torture_count(), at = torture_number(&seed) % all;
    uint32_t stride = 1 + torture_number(&seed) % 3;
    for (uint32_t taken = 0; taken < all / stride; taken++) {
        uint32_t i = (at + taken * stride) % all;
        for (uint32_t k = first_of[i]; k < first_of[i + 1] && count < options.batch; k++)
            sites[count++] = specs[k];
    }
    return count;
}

/* Page by page or site by site, in all combinations of in and out; nobody else writes here. */
static void write_by(bool in)
{
    tli_text_alone(batches / 2 >> in & 1);
}

static bool goes_on(uint64_t until_ns)
{
    return options.toggles ? toggles < options.toggles : now_ns() < until_ns;
}

static void toggle(uint64_t until_ns)
{
    struct tl_wire_site *sites = (struct tl_wire_site *)((uintptr_t)control + TL_SITES_OFFSET);
    while (goes_on(until_ns)) {
        uint32_t count = choose(sites);
        write_by(true);
        arm(sites, count);
        write_by(false);
        tli_agent_disarm(control);
        toggles += 2 * count;
        batches += 2;
        if (batches % LOOK_AT_TEXT_EVERY == 0)
            look_at_text();
    }
}

/* Every second function stands, the others come and go beside it. */
static uint32_t arm_all(void)
{
    struct tl_wire_site *sites = (struct tl_wire_site *)((uintptr_t)control + TL_SITES_OFFSET);
    uint32_t count = first_of[torture_count()], pairs = 0;
    memcpy(sites, specs, count * sizeof(*sites));
    arm(sites, count);
    for (uint32_t k = 0; k < count; k++)
        if (!torture_stands(sites[k].function - 1) && (pair[pairs] = tli_site_any((uintptr_t)sites[k].address)))
            pairs++;
    return pairs;
}

static void poke(struct tli_site *const *sites, size_t count, enum tli_poke_direction direction)
{
    size_t differs = 0;
    for (size_t i = 0; i < count; i++)
        atomic_store_explicit(&sites[i]->state, direction == TLI_POKE_ARM ? TLI_SITE_STANDING : TLI_SITE_LEAVING,
                              memory_order_release);
    if (tli_poke(sites, count, direction, &differs) != TL_OK)
        fail("the text of a site is not what it should be: number", differs);
}

static void toggle_recorded(uint64_t until_ns, uint32_t pairs)
{
    uint64_t seed = 5;
    while (goes_on(until_ns)) {
        uint32_t count = options.batch < pairs ? (uint32_t)options.batch : pairs;
        uint32_t at = torture_number(&seed) % (pairs - count + 1);
        write_by(false);
        poke(pair + at, count, TLI_POKE_DISARM);
        write_by(true);
        poke(pair + at, count, TLI_POKE_ARM);
        toggles += 2 * count;
        batches += 2;
    }
}

/* What stood all the time was recorded each time, or is in what was lost; the rest at most each time. */
static void check_counts(const struct torture_events *events)
{
    static uint64_t calls[TORTURE_FUNCTIONS_MAX];
    uint64_t handled, missing = 0, standing = 0;
    torture_calls(calls, &handled);
    for (uint32_t i = 0; i < torture_count(); i++) {
        uint64_t entries = events->entries[i], exits = events->exits[i];
        if (entries > calls[i] || exits > calls[i])
            fail("more events than calls of function", i);
        if (torture_stands(i)) {
            missing += 2 * calls[i] - entries - exits;
            standing += calls[i];
        }
    }
    printf("recorded: %llu events, %llu lost; %llu calls of functions that stood all the time, %llu of their events "
           "missing, %llu unpaired\n",
           (unsigned long long)events->events, (unsigned long long)events->lost, (unsigned long long)standing,
           (unsigned long long)missing, (unsigned long long)events->unpaired);
    if (missing > events->lost)
        fail("events are missing and not counted as lost", missing);
    if (events->lost == 0 && events->unpaired != 0)
        fail("entries and exits do not pair", events->unpaired);
}

static void break_something(void)
{
    const struct torture_function *function = &torture_functions[0];
    struct tli_site *site = tli_site_any((uintptr_t)torture_text + function->entry);
    const uint8_t *at = memmem(torture_text + function->entry, 32, "\x49\xc1\xc1\x07", 4); /* rol $7, %r9 */
    uint8_t wrong = 6;
    if (options.breaks == 1 && at)
        tl_port_text_write((uintptr_t)at + 3, &wrong, 1);
    else if (options.breaks == 2 && site)
        poke(&site, 1, TLI_POKE_DISARM);
}

static void show(uint64_t took_ns)
{
    uint64_t handled, calls = torture_calls(NULL, &handled);
    printf("%llu toggles: %llu batches of %llu sites (%llu %% jump), %.0f toggles a second\n",
           (unsigned long long)toggles, (unsigned long long)batches,
           (unsigned long long)(batches ? toggles / batches : 0),
           (unsigned long long)(jumps + traps ? 100 * jumps / (jumps + traps) : 0),
           (double)toggles * 1e9 / (double)took_ns);
    printf("%llu calls, %llu of them in signal handlers, 0 lost; %u traps, %llu times held up\n",
           (unsigned long long)calls, (unsigned long long)handled, control->traps, (unsigned long long)busy);
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    list_sites();
    torture_learn();
    become_traced();
    uint32_t pairs = options.recorded ? arm_all() : 0;
    struct torture_load load = {(unsigned)options.threads, (unsigned)options.storm, options.churn != 0};
    torture_calls_start(&load);
    if (options.recorded)
        torture_rings_start(control);
    if (options.breaks)
        break_something();
    uint64_t start = now_ns();
    if (options.recorded)
        toggle_recorded(start + options.seconds * 1000000000u, pairs);
    else
        toggle(start + options.seconds * 1000000000u);
    uint64_t took = now_ns() - start;
    torture_calls_stop();
    tli_agent_disarm(control);
    look_at_text();
    tli_ring_stop();
    if (options.recorded)
        check_counts(torture_rings_stop());
    show(took);
    return 0;
}
