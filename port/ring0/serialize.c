/* SPDX-License-Identifier: MIT
 *
 * Making every CPU fetch what memory holds: an interrupt to each, a serialising instruction there, an acknowledgement
 * back. One asks at a time (the text lock).
 */
#include <port/ring0/ring0.h>
#include <stdatomic.h>
#include <trapline/port.h>

static _Atomic uint32_t asked;
static _Atomic uint32_t done[RING0_CPU_MAX];

/* CPUID is slow under a hypervisor, but there is none older or simpler; IRET would let NMIs in early. */
static void serialize(void)
{
    uint32_t leaf = 0, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(leaf), "=b"(b), "+c"(c), "=d"(d) : : "memory");
}

void ring0_serialize_here(void)
{
    /* [R1] acquire: the number was raised after the text was written. Pairs with the release below. */
    uint32_t number = atomic_load_explicit(&asked, memory_order_acquire);
    serialize();
    /* [R2] release: serialised before it is said. Pairs with the acquire below. */
    atomic_store_explicit(&done[ring0_cpu()], number, memory_order_release);
}

void tl_port_serialize(void)
{
    unsigned self = ring0_cpu();
    uint32_t number = atomic_load_explicit(&asked, memory_order_relaxed) + 1; /* relaxed: one asks at a time */
    /* [R1] release: see ring0_serialize_here(). */
    atomic_store_explicit(&asked, number, memory_order_release);
    for (unsigned cpu = 0; cpu < ring0_cpu_count(); cpu++)
        if (cpu != self)
            ring0_send_serialize(cpu);
    serialize();
    for (unsigned cpu = 0; cpu < ring0_cpu_count(); cpu++)
        /* [R2] acquire: see ring0_serialize_here(). */
        while (cpu != self && atomic_load_explicit(&done[cpu], memory_order_acquire) != number)
            __asm__ volatile("pause");
    ring0_text_settle();
}
