/* SPDX-License-Identifier: MIT
 *
 * The interrupt table of i386: 256 interrupt gates to entry.S. No task gates: a trap in a trap lies below it. Twin:
 * port/ring0/64/idt.c.
 */
#include <port/ring0/ring0.h>

enum { INTERRUPT_GATE = 0x8e, DPL_3 = 0x60, VECTORS = 256, VECTOR_BYTES = 16 };

static struct gate {
    uint16_t low, selector;
    uint8_t zero, kind;
    uint16_t high;
} table[VECTORS] __attribute__((aligned(16)));

extern const uint8_t ring0_vectors[];

void ring0_idt_load(uint16_t code_selector, const uint8_t *user_vectors)
{
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) pointer = {sizeof table - 1, (uintptr_t)table};
    for (unsigned i = 0; i < VECTORS; i++) {
        uintptr_t to = (uintptr_t)ring0_vectors + i * VECTOR_BYTES;
        table[i] = (struct gate){(uint16_t)to, code_selector, 0, INTERRUPT_GATE, (uint16_t)(to >> 16)};
    }
    for (; *user_vectors; user_vectors++)
        table[*user_vectors].kind |= DPL_3;
    __asm__ volatile("lidt %0" : : "m"(pointer));
}
