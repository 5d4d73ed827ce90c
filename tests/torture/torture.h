/* SPDX-License-Identifier: MIT
 *
 * The torture: sites of every shape are put in and taken out as fast as can be, inside this process, while threads and
 * signal handlers run through them and check what comes out. The calls between its files.
 */
#ifndef TESTS_TORTURE_H
#define TESTS_TORTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wire/control.h>
#include <wire/site.h>

/* functions.S: one record a function, offsets from torture_text. */
struct torture_function {
    uint32_t entry, exit, end;
    uint32_t link, link_end; /* the branch into the exit's window, and what its own one begins with; 0: none */
    uint16_t place;
    uint8_t pattern, flavor;
};
extern const struct torture_function torture_functions[], torture_functions_end[];
extern const uint8_t torture_text[], torture_text_end[];

enum { TORTURE_FUNCTIONS_MAX = 4096, TORTURE_TINY = 2, TORTURE_TRAP = 3, TORTURE_TAIL = 4, TORTURE_BRANCH = 5 };
enum { TORTURE_SITES_MAX = 3 }; /* of a function */

/* All that a function is given and gives back: functions.S knows the layout. */
struct torture_state {
    uint64_t gpr[15]; /* rax rcx rdx rsi rdi r8-r11 rbx rbp r12-r15 */
    uint64_t flags;
    uint8_t vector[4][16]; /* xmm 0 1 2 15 */
};
_Static_assert(offsetof(struct torture_state, flags) == 120, "functions.S");
_Static_assert(sizeof(struct torture_state) == 192, "functions.S");
void torture_call(const uint8_t *function, const struct torture_state *in, struct torture_state *out);

static inline uint32_t torture_count(void)
{
    return (uint32_t)(torture_functions_end - torture_functions);
}

/* A small generator of numbers, one state a user. */
static inline uint32_t torture_number(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* sites.c. Fills sites with those of function i, in order of address; returns how many. Their function is i + 1. */
unsigned torture_sites(uint32_t i, struct tl_wire_site *sites);

/* calls.c. Learns what each function makes of its state; to be called before anything is patched. */
void torture_learn(void);
struct torture_load {
    unsigned threads, storm_hz; /* callers; signals a second to each of them by its timer */
    bool churn;                 /* short-lived threads */
};
void torture_calls_start(const struct torture_load *load);
void torture_calls_stop(void);
/* All calls, and those of them from signal handlers; by function if counts is given. */
uint64_t torture_calls(uint64_t *counts, uint64_t *handled);

/* rings.c. Takes all events out of the rings, of any thread, until it is stopped. */
struct torture_events {
    uint64_t entries[TORTURE_FUNCTIONS_MAX], exits[TORTURE_FUNCTIONS_MAX];
    uint64_t events, lost, unpaired;
};
void torture_rings_start(struct tl_control *control);
/* Reads what is left. paired: functions whose entries and exits must nest in each thread. */
const struct torture_events *torture_rings_stop(void);
/* Whether function i stands through the whole run of the recorded torture. */
static inline bool torture_stands(uint32_t i)
{
    return i % 2 == 0;
}

#endif
