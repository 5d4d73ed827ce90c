/* SPDX-License-Identifier: MIT
 *
 * The port functions that every kernel writes by itself: memory, the text lock, threads. The others are in port/ring0.
 */
#include <kernel/pages.h>
#include <kernel/paging.h>
#include <kernel/panic.h>
#include <kernel/text_lock.h>
#include <kernel/thread.h>
#include <trapline/port.h>

static atomic_flag locked = ATOMIC_FLAG_INIT;
text_lock_hook *volatile text_lock_taken, *volatile text_lock_leaving;

bool text_lock_try(void)
{
    /* [L1] acquire: what the last holder did to sites and text is seen. Pairs with the release in
     * tl_port_text_unlock(). */
    return !atomic_flag_test_and_set_explicit(&locked, memory_order_acquire);
}

void tl_port_text_lock(void)
{
    while (!text_lock_try())
        thread_yield();
    text_lock_hook *hook = text_lock_taken;
    if (hook)
        hook();
}

void text_lock_give(void)
{
    /* [L1] release: see text_lock_try(). */
    atomic_flag_clear_explicit(&locked, memory_order_release);
}

void tl_port_text_unlock(void)
{
    text_lock_hook *hook = text_lock_leaving;
    if (hook)
        hook();
    text_lock_give();
}

enum tl_status tl_port_exec_map(uintptr_t address, size_t size)
{
    bool ours = address >= LAYOUT_EXEC && address < LAYOUT_USER && size <= LAYOUT_USER - address;
    return ours && paging_map(address, size, PAGING_READ | PAGING_EXEC) ? TL_OK : TL_NO_MEMORY;
}

static size_t pages_of(size_t size)
{
    return (size + PAGE_BYTES - 1) / PAGE_BYTES;
}

void *tl_port_memory(size_t size)
{
    return pages_take(pages_of(size));
}

void tl_port_memory_free(void *memory, size_t size)
{
    pages_give(memory, pages_of(size));
}

void tl_port_relax(void)
{
    thread_yield();
}

uint32_t tl_port_thread_id(void)
{
    return thread_current()->id;
}

uintptr_t tl_port_thread_pointer(void)
{
    return (uintptr_t)thread_current();
}

void *tl_port_thread_block(void)
{
    return thread_current()->block;
}

void tl_port_thread_block_set(void *block)
{
    thread_current()->block = block;
}

bool tl_port_thread_exists(uint32_t id)
{
    return id >= 1 && id <= THREAD_MAX;
}

bool tl_port_ring_open(uintptr_t address, size_t size)
{
    (void)address;
    (void)size;
    return true;
}

TL_NOTRACE struct tl_trace_thread *tl_port_trace_thread(void)
{
    return &thread_current()->trace;
}

TL_NOTRACE unsigned tl_port_context(void)
{
    return thread_current()->context;
}

void tl_port_panic(const char *what)
{
    panic(what, NULL);
}
