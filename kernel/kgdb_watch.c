/* SPDX-License-Identifier: MIT
 *
 * gdb's hardware breakpoints and watchpoints: the four debug registers, the same on every CPU while it runs, off while
 * it is held, as the debugger's own reads would set them off. See kgdb_target.h.
 * Source: Intel SDM vol. 3, chapter "Debug, Branch Profile, TSC", section Debug Registers.
 */
#include <kernel/kgdb_target.h>
#include <kernel/smp.h>

enum { SLOTS = 4, DR6_STEP = 1 << 14 };

static struct watch {
    uintptr_t address;
    uint8_t control; /* R/W and LEN, as DR7 has them in four bits; with length 1, execution: 0 */
    char type;       /* gdb's: '1' execution, '2' write, '3' read, '4' access; 0: free */
} watches[SLOTS];

/* DR7's four bits: R/W 0 execution, 1 writes, 3 reads and writes; LEN 0: 1 byte, 1: 2, 3: 4, 2: 8. The CPU has none for
 * reads alone. */
static bool encode(char type, uintptr_t address, uintptr_t size, uint8_t *control)
{
    static const uint8_t lengths[] = {[1] = 0, [2] = 1, [4] = 3, [8] = 2};
    bool fits = (size == 1 || size == 2 || size == 4 || size == sizeof(uintptr_t)) && address % size == 0;
    if (type == '1') {
        *control = 0;
        return true;
    }
    *control = (uint8_t)((type == '2' ? 1 : 3) | (fits ? lengths[size] : 0) << 2);
    return fits;
}

bool kgdb_watch_set(char type, uintptr_t address, uintptr_t size)
{
    uint8_t control;
    if (!encode(type, address, size, &control))
        return false;
    kgdb_watch_clear(type, address, size); /* said twice is once */
    for (struct watch *w = watches; w < watches + SLOTS; w++)
        if (!w->type) {
            *w = (struct watch){address, control, type};
            return true;
        }
    return false;
}

bool kgdb_watch_clear(char type, uintptr_t address, uintptr_t size)
{
    uint8_t control;
    for (struct watch *w = watches; encode(type, address, size, &control) && w < watches + SLOTS; w++)
        if (w->type == type && w->address == address && w->control == control) {
            w->type = 0;
            return true;
        }
    return false;
}

void kgdb_watch_clear_all(void)
{
    for (struct watch *w = watches; w < watches + SLOTS; w++)
        w->type = 0;
}

void kgdb_watch_off(void)
{
    __asm__ volatile("mov %0, %%dr7" : : "r"((uintptr_t)0x400)); /* bit 10 is always set */
}

void kgdb_watch_on(void)
{
    uintptr_t dr7 = 0x400;
    for (unsigned i = 0; i < SLOTS; i++)
        if (watches[i].type)
            dr7 |= (uintptr_t)2 << 2 * i | (uintptr_t)watches[i].control << (16 + 4 * i);
    __asm__ volatile("mov %0, %%dr0" : : "r"(watches[0].address));
    __asm__ volatile("mov %0, %%dr1" : : "r"(watches[1].address));
    __asm__ volatile("mov %0, %%dr2" : : "r"(watches[2].address));
    __asm__ volatile("mov %0, %%dr3" : : "r"(watches[3].address));
    __asm__ volatile("mov %0, %%dr7" : : "r"(dr7));
}

const char *kgdb_watch_hit(bool *late)
{
    static struct kgdb_packet reasons[CPU_MAX]; /* several CPUs may hit at once */
    static const char *const words[] = {"hwbreak:", "watch:", "rwatch:", "awatch:"};
    struct kgdb_packet *reason = &reasons[cpu_id()];
    uintptr_t dr6;
    __asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
    __asm__ volatile("mov %0, %%dr6" : : "r"((uintptr_t)0xffff0ff0)); /* the CPU only ever sets its bits */
    for (unsigned i = 0; i < SLOTS; i++)
        if (watches[i].type && (dr6 >> i & 1)) {
            reason->length_bytes = 0;
            kgdb_put_text(reason, words[watches[i].type - '1']);
            if (watches[i].type != '1')
                kgdb_put_number(reason, watches[i].address);
            kgdb_put_text(reason, ";");
            *late = false;
            return reason->text;
        }
    *late = (dr6 & ((1 << SLOTS) - 1)) && !(dr6 & DR6_STEP);
    return NULL;
}
