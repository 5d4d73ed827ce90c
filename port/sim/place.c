/* SPDX-License-Identifier: MIT
 *
 * The rest of the simulated port: memory that can be counted and refused, threads that are the scheduler's tasks, a
 * clock that goes up with every look. Text is in text.c, turns are in schedule.c.
 */
#include <port/sim/sim.h>
#include <regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <trapline/ftrace.h>
#include <trapline/port.h>

static void *blocks[TL_SIM_TASKS];
static uint64_t ticks;
static bool text_locked;
static uintptr_t trap_path;
static size_t trap_path_bytes;

enum tl_status tl_port_exec_map(uintptr_t address, size_t size)
{
    tl_sim_stop("exec_map", address, (unsigned)size);
    return TL_OK; /* addresses are only numbers here */
}

void *tl_port_memory(size_t size)
{
    tl_sim_stop("memory", 0, (unsigned)size);
    return calloc(1, size);
}

/* What is freed is overwritten first: a handler that still reads it must be noticed. */
void tl_port_memory_free(void *memory, size_t size)
{
    tl_sim_stop("memory_free", 0, (unsigned)size);
    memset(memory, 0x5a, size);
    free(memory);
}

void tl_port_text_lock(void)
{
    TL_ASSERT(!text_locked); /* one writer: whoever waits here waits for itself */
    text_locked = true;
}

void tl_port_text_unlock(void)
{
    TL_ASSERT(text_locked);
    text_locked = false;
}

void tl_sim_trap_path(uintptr_t address, size_t size)
{
    trap_path = address;
    trap_path_bytes = size;
}

bool tl_port_trap_path(uintptr_t address, size_t size)
{
    return address < trap_path + trap_path_bytes && address + size > trap_path;
}

uint64_t tl_port_interrupts_off(void)
{
    return 0;
}

void tl_port_interrupts_restore(uint64_t state)
{
    (void)state;
}

uint32_t tl_port_thread_id(void)
{
    return tl_sim_task() + 1;
}

uintptr_t tl_port_thread_pointer(void)
{
    return (uintptr_t)&blocks[tl_sim_task()];
}

void *tl_port_thread_block(void)
{
    return blocks[tl_sim_task()];
}

void tl_port_thread_block_set(void *block)
{
    blocks[tl_sim_task()] = block;
}

bool tl_port_thread_exists(uint32_t id)
{
    return id >= 1 && id <= TL_SIM_TASKS;
}

bool tl_port_ring_open(uintptr_t address, size_t size)
{
    (void)address, (void)size;
    return true;
}

struct tl_trace_thread *tl_port_trace_thread(void)
{
    static struct tl_trace_thread threads[TL_SIM_TASKS];
    return &threads[tl_sim_task()];
}

unsigned tl_port_context(void)
{
    return 0;
}

uint64_t tl_port_clock(void)
{
    return ++ticks;
}

void tl_port_push(struct tl_regs **regs, uintptr_t value)
{
    tl_sim_stop("push", value, 0);
    uintptr_t sp = (uintptr_t)((*regs)->gpr[TL_REG_SP] -= sizeof(value));
    memcpy((void *)sp, &value, sizeof(value));
}

_Noreturn void tl_port_panic(const char *what)
{
    fprintf(stderr, "panic: %s\n", what);
    abort();
}
