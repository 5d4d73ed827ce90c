/* SPDX-License-Identifier: MIT
 *
 * The local interrupt controller of each CPU: interrupts between CPUs, and a timer.
 */
#ifndef KERNEL_APIC_H
#define KERNEL_APIC_H

#include <stdint.h>

enum {
    VECTOR_TIMER = 0x20,
    VECTOR_SERIALIZE,
    VECTOR_WAKE, /* there is something to run */
    VECTOR_TEST, /* for tests: calls kernel/interrupts.h's hook */
    VECTOR_SYSTEM_CALL = 0x80,
    VECTOR_SPURIOUS = 0xff,
};

/* Once on each CPU, interrupts off; masks the old interrupt controller. */
void apic_begin(void);

/* The timer of this CPU, hz times a second. */
void apic_timer(unsigned hz);

/* The interrupt being served is done with; the next may come. */
void apic_done(void);

enum apic_kind { APIC_FIXED = 0x000, APIC_NMI = 0x400, APIC_INIT = 0x500, APIC_START = 0x600 };

/* Sends to one CPU. Any context: an interrupt in between is kept out, an NMI finds it sent or not begun. */
void apic_send(unsigned cpu, enum apic_kind kind, uint8_t vector);

#endif
