/* SPDX-License-Identifier: MIT
 *
 * The local APIC; see apic.h. Source: Intel SDM vol. 3, chapter "Advanced Programmable Interrupt Controller".
 */
#include <kernel/apic.h>
#include <kernel/layout.h>
#include <trapline/port.h>

enum {
    END_OF_INTERRUPT = 0x0b0,
    SPURIOUS = 0x0f0,
    SPURIOUS_ENABLE = 0x100,
    COMMAND = 0x300,
    COMMAND_HIGH = 0x310,
    COMMAND_ASSERT = 0x4000,
    COMMAND_PENDING = 0x1000,
    TIMER = 0x320,
    TIMER_PERIODIC = 0x20000,
    TIMER_COUNT = 0x380,
    TIMER_DIVIDE = 0x3e0,
    TIMER_BY_16 = 3,
    TIMER_HZ = 1000000000 / 16, /* QEMU's */
};

static volatile uint32_t *at(unsigned reg)
{
    return (volatile uint32_t *)(uintptr_t)(LAYOUT_APIC + reg);
}

static void out(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %w1" : : "a"(value), "Nd"(port));
}

void apic_begin(void)
{
    out(0x21, 0xff); /* the old controllers: nothing comes from them */
    out(0xa1, 0xff);
    *at(SPURIOUS) = SPURIOUS_ENABLE | VECTOR_SPURIOUS;
}

void apic_timer(unsigned hz)
{
    *at(TIMER_DIVIDE) = TIMER_BY_16;
    *at(TIMER) = TIMER_PERIODIC | VECTOR_TIMER;
    *at(TIMER_COUNT) = TIMER_HZ / hz;
}

void apic_done(void)
{
    *at(END_OF_INTERRUPT) = 0;
}

void apic_send(unsigned cpu, enum apic_kind kind, uint8_t vector)
{
    uint64_t state = tl_port_interrupts_off();
    uint32_t interrupted = *at(COMMAND_HIGH); /* by an NMI, between the two writes below */
    while (*at(COMMAND) & COMMAND_PENDING)
        __asm__ volatile("pause");
    *at(COMMAND_HIGH) = cpu << 24;
    *at(COMMAND) = COMMAND_ASSERT | (uint32_t)kind | vector;
    *at(COMMAND_HIGH) = interrupted;
    tl_port_interrupts_restore(state);
}
