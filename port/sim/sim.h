/* SPDX-License-Identifier: MIT
 *
 * The simulated place for the engine's tests: fake text, cores that may execute any byte that stood there since they
 * last serialised, and a scheduler that can stop at every port call and goes through all schedules, or random ones.
 * What the cores' code means is the test's matter. One thread; not for use outside tests.
 */
#ifndef TL_PORT_SIM_H
#define TL_PORT_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TL_SIM_CORES 4
#define TL_SIM_TASKS (TL_SIM_CORES + 1)
#define TL_SIM_TEXT ((uintptr_t)0x400000)
#define TL_SIM_TEXT_BYTES 16384u

/* text.c. Sets bytes that every core sees at once; they are mapped from now on. */
void tl_sim_text_set(uintptr_t address, const void *from, size_t size);
/* Bytes as memory holds them. */
void tl_sim_text_get(uintptr_t address, void *to, size_t size);
/* Nothing is mapped there from now on; with mapped, it is again. */
void tl_sim_text_map(uintptr_t address, size_t size, bool mapped);
/* The byte that core fetches: one of those that stood there since it last serialised; which one is a choice. */
uint8_t tl_sim_fetch(unsigned core, uintptr_t address);
/* What tl_port_trap_path() says from now on; size 0: nothing is. */
void tl_sim_trap_path(uintptr_t address, size_t size);
/* What tl_port_text_alone() says from now on; false at first. */
void tl_sim_text_alone(bool is);
/* Is called for each byte of text that a write changes, before and after; NULL: nobody is. */
void tl_sim_text_watch(void (*watch)(uintptr_t address, uint8_t before, uint8_t after));
/* Of all bytes that were ever set or written, as memory and as the cores may see them. */
uint64_t tl_sim_text_state(void);

/* schedule.c. A set-up, tasks that run in turns, and what tells one state of the whole from another. */
struct tl_sim_run {
    void (*before)(void);             /* each execution begins with it */
    void (*task[TL_SIM_TASKS])(void); /* task 0 is the writer, task 1 + n is core n; NULL: none */
    void (*after)(void);              /* and ends with it */
    uint64_t (*state)(void);          /* two states with the same value go on alike */
};

struct tl_sim_result {
    uint64_t executions, states;
    const char *failure; /* NULL: every claim held */
};

/* Every schedule and every choice, each state once; stops at the first failure, and then prints the way there.
 * An execution always runs to its end, so the engine's own state after it is one that it can start from. */
struct tl_sim_result tl_sim_every(const struct tl_sim_run *run, uint64_t executions_max);
/* Random schedules from seed. */
struct tl_sim_result tl_sim_random(const struct tl_sim_run *run, uint64_t seed, uint64_t executions);

/* In a task. Others may run now; what, address and value say in the trace what comes next. */
void tl_sim_stop(const char *what, uintptr_t address, unsigned value);
/* One of 0..count-1, each in some execution. */
unsigned tl_sim_choose(unsigned count);
/* A claim does not hold: ends the search after this execution. */
void tl_sim_fail(const char *claim);
bool tl_sim_failed(void);
/* The task that runs; stops made by it in this execution, waiting loops not counted. */
unsigned tl_sim_task(void);
uint64_t tl_sim_progress(unsigned task);

static inline uint64_t tl_sim_mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

#endif
