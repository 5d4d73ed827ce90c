/* SPDX-License-Identifier: MIT
 *
 * The text lock, for programs that poke themselves from several threads; the agent's one thread does without. What no
 * poke may touch: the library's own trap path.
 */
#include <port/linux/linux.h>
#include <stdatomic.h>
#include <trapline/port.h>

/* The linker's names for the bounds of section tl_trap (core/section.h). */
extern const uint8_t __start_tl_trap[], __stop_tl_trap[];

static atomic_flag locked = ATOMIC_FLAG_INIT;

void tl_port_text_lock(void)
{
    /* [L1] acquire: what the last holder did to sites and text is seen. Pairs with the release in
     * tl_port_text_unlock(). */
    while (atomic_flag_test_and_set_explicit(&locked, memory_order_acquire))
        tl_port_relax();
}

void tl_port_text_unlock(void)
{
    /* [L1] release: see tl_port_text_lock(). */
    atomic_flag_clear_explicit(&locked, memory_order_release);
}

bool tl_port_trap_path(uintptr_t address, size_t size)
{
    return address < (uintptr_t)__stop_tl_trap && address + size > (uintptr_t)__start_tl_trap;
}
