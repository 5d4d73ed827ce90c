/* SPDX-License-Identifier: MIT
 *
 * Page tables of 8-byte entries, the same for PAE and for long mode up to the third level, and the text window; see
 * paging.h and port/ring0/ring0.h.
 */
#include <kernel/layout.h>
#include <kernel/pages.h>
#include <kernel/paging.h>
#include <kernel/spin.h>
#include <port/ring0/ring0.h>
#include <width.h>

#define ADDRESS 0x000ffffffffff000ull
#define NO_EXECUTE (1ull << 63)

enum { PRESENT = 1, WRITE = 2, USER = 4, UNCACHED = 0x18, LARGE = 0x80 };
enum { ENTRIES = 512, LARGE_BYTES = 0x200000, GIB = 0x40000000, SMALL_END = 0x800000 };

extern const uint8_t kernel_begin[], kernel_text_end[], kernel_user_begin[], kernel_rodata_end[], kernel_end[];

/* The kernel's map, and the poker's, which has the window in its third GiB. */
static uint64_t fourth[ENTRIES] __attribute__((aligned(PAGE_BYTES)));
static uint64_t third[ENTRIES] __attribute__((aligned(PAGE_BYTES)));
static uint64_t poker_fourth[ENTRIES] __attribute__((aligned(PAGE_BYTES)));
static uint64_t poker_third[ENTRIES] __attribute__((aligned(PAGE_BYTES)));
static uint64_t window_second[ENTRIES] __attribute__((aligned(PAGE_BYTES)));
static uint64_t window_first[ENTRIES] __attribute__((aligned(PAGE_BYTES)));
static uint64_t no_execute; /* NO_EXECUTE, if the CPU has it */
static struct spin lock;

static uint64_t *table_of(uint64_t entry)
{
    return (uint64_t *)(uintptr_t)(entry & ADDRESS);
}

static uint64_t flags_of(unsigned access)
{
    return (access & (PAGING_READ | PAGING_WRITE | PAGING_USER)) | (access & PAGING_EXEC ? 0 : no_execute);
}

/* The entry of the first level for address; makes the tables on the way if make. NULL: there are none. */
static uint64_t *entry_of(uintptr_t address, bool make)
{
    uint64_t *gib = &third[address / GIB];
    if (!*gib)
        return NULL;
    uint64_t *large = &table_of(*gib)[address % GIB / LARGE_BYTES];
    if (!*large && make) {
        void *table = pages_take(1);
        if (table)
            *large = (uintptr_t)table | PRESENT | WRITE | USER;
    }
    if (!*large || (*large & LARGE))
        return NULL;
    return &table_of(*large)[address % LARGE_BYTES / PAGE_BYTES];
}

uint64_t paging_entry(uintptr_t address)
{
    uint64_t *entry = entry_of(address, false);
    return entry ? *entry : 0;
}

bool paging_map(uintptr_t address, size_t size, unsigned access)
{
    uint64_t state = spin_lock(&lock);
    bool good = true;
    uintptr_t end = address + size;
    for (uintptr_t at = address; good && at < end; at += PAGE_BYTES) {
        uint64_t *entry = entry_of(at, true);
        good = entry && !*entry;
    }
    uint8_t *pages = good ? pages_take(size / PAGE_BYTES) : NULL;
    for (uintptr_t at = address; pages && at < end; at += PAGE_BYTES)
        *entry_of(at, true) = (uintptr_t)(pages + (at - address)) | flags_of(access);
    spin_unlock(&lock, state);
    return pages != NULL;
}

/* What the kernel's own pages are for. */
static unsigned access_of(uintptr_t at)
{
    if (at == 0)
        return 0;
    if (at == LAYOUT_START_PAGE)
        return PAGING_READ | PAGING_EXEC;
    if (at < (uintptr_t)kernel_begin || at >= (uintptr_t)kernel_rodata_end)
        return PAGING_READ | PAGING_WRITE;
    return PAGING_READ | (at < (uintptr_t)kernel_text_end ? PAGING_EXEC : 0);
}

static void map_memory(uintptr_t end)
{
    for (uintptr_t at = 0; at < SMALL_END; at += PAGE_BYTES) {
        unsigned access = access_of(at);
        *entry_of(at, true) = access ? at | flags_of(access) : 0;
    }
    for (uintptr_t at = SMALL_END; at < end; at += LARGE_BYTES)
        table_of(third[0])[at / LARGE_BYTES] = at | PRESENT | WRITE | LARGE | no_execute;
}

static bool cpu_forbids_execution(void)
{
    uint32_t a = 0x80000000, b, c, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    if (a < 0x80000001)
        return false;
    a = 0x80000001;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    return d >> 20 & 1;
}

bool paging_no_execute(void)
{
    return no_execute != 0;
}

uintptr_t paging_root(void)
{
    return width_map_root(fourth, third);
}

static void load(uintptr_t root)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(root) : "memory");
}

void paging_enable(void)
{
    uintptr_t value;
    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    __asm__ volatile("mov %0, %%cr4" : : "r"(value | 0x20)); /* PAE */
    if (no_execute)
        __asm__ volatile("rdmsr\n\tor $0x800, %%eax\n\twrmsr" : : "c"(0xc0000080) : "eax", "edx");
    load(paging_root());
    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    __asm__ volatile("mov %0, %%cr0" : : "r"(value | 0x80010000u) : "memory"); /* paging, write protection */
}

void paging_begin(uintptr_t memory_end)
{
    no_execute = cpu_forbids_execution() ? NO_EXECUTE : 0;
    for (unsigned gib = 0; gib < 4; gib++)
        if (gib != LAYOUT_WINDOW / GIB)
            poker_third[gib] = third[gib] = (uintptr_t)pages_take(1) | WIDTH_GIB_FLAGS;
    poker_third[LAYOUT_WINDOW / GIB] = (uintptr_t)window_second | WIDTH_GIB_FLAGS;
    window_second[0] = (uintptr_t)window_first | PRESENT | WRITE;
    map_memory(memory_end);
    table_of(third[3])[LAYOUT_APIC % GIB / LARGE_BYTES] =
        (LAYOUT_APIC & -LARGE_BYTES) | PRESENT | WRITE | UNCACHED | LARGE | no_execute;
    paging_enable();
}

bool ring0_is_text(uintptr_t address, size_t size)
{
    for (uintptr_t at = address & -PAGE_BYTES; at < address + size; at += PAGE_BYTES) {
        uint64_t entry = paging_entry(at);
        if (!(entry & PRESENT) || (entry & (WRITE | USER)) || (entry & no_execute))
            return false;
    }
    return true;
}

void *ring0_window_open(uintptr_t address, size_t size)
{
    if (!ring0_is_text(address, size))
        return NULL;
    window_first[0] = (paging_entry(address) & ADDRESS) | PRESENT | WRITE | no_execute;
    load(width_map_root(poker_fourth, poker_third)); /* empties this CPU's cache of entries, too */
    return (void *)(uintptr_t)(LAYOUT_WINDOW + address % PAGE_BYTES);
}

void ring0_window_close(void)
{
    window_first[0] = 0;
    load(paging_root());
}
