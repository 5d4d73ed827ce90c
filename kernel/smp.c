/* SPDX-License-Identifier: MIT
 *
 * Starting the other CPUs, one after the other; see smp.h. Source: Intel SDM vol. 3, section "Multiple-Processor
 * Initialization".
 */
#include <kernel/apic.h>
#include <kernel/interrupts.h>
#include <kernel/layout.h>
#include <kernel/paging.h>
#include <kernel/panic.h>
#include <kernel/segments.h>
#include <kernel/smp.h>
#include <trapline/port.h>

enum { TIMER_HZ = 100, EFER_NO_EXECUTE = 0x800 };

struct cpu cpus[CPU_MAX];
static unsigned count = 1;
static _Atomic unsigned started = 1;

extern const uint8_t smp_start_begin[], smp_start_end[], smp_start_root[], smp_start_efer[], smp_start_stack[];
extern uint8_t thread_stacks[];

TL_NOTRACE unsigned cpu_count(void)
{
    return count;
}

unsigned ring0_cpu(void)
{
    return cpu_id();
}

unsigned ring0_cpu_count(void)
{
    return count;
}

void ring0_send_serialize(unsigned cpu)
{
    apic_send(cpu, APIC_FIXED, VECTOR_SERIALIZE);
}

void cpu_send(unsigned cpu, uint8_t vector)
{
    apic_send(cpu, APIC_FIXED, vector);
}

void cpu_send_nmi(unsigned cpu)
{
    apic_send(cpu, APIC_NMI, 0);
}

/* QEMU says how many there are (fw_cfg, key 5). */
static unsigned count_all(void)
{
    uint8_t low, high;
    __asm__ volatile("outw %w0, %w1" : : "a"(5), "Nd"((uint16_t)0x510));
    __asm__ volatile("inb %w1, %0" : "=a"(low) : "Nd"((uint16_t)0x511));
    __asm__ volatile("inb %w1, %0" : "=a"(high) : "Nd"((uint16_t)0x511));
    return low | (unsigned)high << 8;
}

static void put(const uint8_t *where, uintptr_t value)
{
    tl_port_text_write(LAYOUT_START_PAGE + (uintptr_t)(where - smp_start_begin), &value, sizeof value);
}

/* The first function of a CPU, on the stack of its idle thread. */
__attribute__((noreturn)) void smp_started(void);
void smp_started(void)
{
    /* relaxed: whoever starts this CPU waits for the count to go up */
    unsigned cpu = atomic_load_explicit(&started, memory_order_relaxed);
    segments_begin(cpu);
    thread_begin(cpu);
    interrupts_begin();
    apic_begin();
    apic_timer(TIMER_HZ);
    /* release: what this CPU is, is written. Pairs with the acquire in smp_begin(). */
    atomic_store_explicit(&started, cpu + 1, memory_order_release);
    thread_idle();
}

static void pause_us(unsigned us)
{
    while (us--) /* an access to a port takes about as long */
        __asm__ volatile("outb %b0, $0x80" : : "a"(0));
}

void smp_begin(unsigned limit)
{
    unsigned all = count_all();
    all = all < limit ? all : limit;
    all = all < CPU_MAX ? all : CPU_MAX;
    apic_timer(TIMER_HZ);
    tl_port_text_write(LAYOUT_START_PAGE, smp_start_begin, (size_t)(smp_start_end - smp_start_begin));
    for (unsigned cpu = 1; cpu < all; cpu++) {
        put(smp_start_root, paging_root());
        put(smp_start_efer, WIDTH_EFER | (paging_no_execute() ? EFER_NO_EXECUTE : 0));
        put(smp_start_stack, (uintptr_t)thread_stacks + (cpu + 1) * THREAD_STACK_BYTES);
        apic_send(cpu, APIC_INIT, 0);
        pause_us(200);
        apic_send(cpu, APIC_START, LAYOUT_START_PAGE / 4096);
        /* acquire: see smp_started(). */
        while (atomic_load_explicit(&started, memory_order_acquire) == cpu)
            __asm__ volatile("pause");
        count = cpu + 1;
    }
}
