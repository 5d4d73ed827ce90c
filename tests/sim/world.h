/* SPDX-License-Identifier: MIT
 *
 * A small world for the engine on the simulated port: sites over made-up instructions, cores that execute them as a
 * processor would, a writer that arms and disarms as the agent does, and the claims of docs/protocol.md, checked at
 * every instruction. The engine's code is the real one.
 */
#ifndef TL_TESTS_SIM_WORLD_H
#define TL_TESTS_SIM_WORLD_H

#include <core/poke.h>
#include <core/site.h>
#include <port/sim/sim.h>

#define WORLD_SITES 6
#define WORLD_INSNS 5
#define WORLD_PASSES 4

/* A window of whole instructions; of less than 5 bytes together, it is a short one. */
struct world_window {
    uintptr_t address;
    uint8_t count;
    uint8_t length[WORLD_INSNS];
    uint8_t inner; /* what the new jmp holds at inner starts: 0xcc, or an invalid opcode */
};

enum world_step {
    WORLD_END = 0,
    WORLD_ARM,       /* new records, jumps */
    WORLD_ARM_AGAIN, /* the records of the last arm stand again */
    WORLD_ARM_TRAPS, /* new records, one int3 each */
    WORLD_DISARM,
    WORLD_APPLICATION, /* the application puts an int3 of its own over the first window's head */
    WORLD_REFUSED,     /* arm, but the last window's bytes are not what they should be */
};

/* What an execution does; set before a search. */
struct world_plan {
    unsigned windows, cores;
    struct world_window window[WORLD_SITES];
    enum world_step step[8];
    /* Each core runs through all windows from instruction begin[core][pass] of the first one on: 0 is a call. */
    unsigned passes[TL_SIM_CORES];
    uint8_t begin[TL_SIM_CORES][WORLD_PASSES];
};

extern struct world_plan world;

/* world.cores cores and a writer. */
struct tl_sim_run world_run(void);

/* core.c. One for each core; forgets what they were at. */
void world_core_reset(void);
void world_core(void);
uint64_t world_core_state(void);
/* A poke begins: calls under way may be recorded or not. */
void world_core_any(void);

/* writer.c. What a call that begins now is promised: 1 recorded, 0 not recorded, -1 either. */
int world_promise(void);
/* No core may fetch an int3 at a head. */
bool world_quiet(void);
/* The application's int3 stands. */
bool world_application(void);
/* The window that holds address, or NULL; its record. */
const struct world_window *world_window_at(uintptr_t address);
/* The record, old ones too, whose stub holds address, or NULL; its window's number. */
const struct tli_site *world_stub_at(uintptr_t address, unsigned *window);
/* The record that stands now for window i. */
const struct tli_site *world_site(unsigned i);
unsigned world_offset(const struct world_window *window, unsigned insn);
uint8_t world_old_byte(const struct world_window *window, unsigned offset);

#endif
