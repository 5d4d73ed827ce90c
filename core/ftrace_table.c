/* SPDX-License-Identifier: MIT
 *
 * The table of functions that can be traced: made once from the compiler's records, before other cores run; then only
 * searched. Which of them are traced is in ftrace.c.
 */
#include <core/ftrace.h>
#include <core/section.h>
#include <regs.h>
#include <trapline/port.h>

#define CALL 0xe8

struct tli_ftrace_records tli_ftrace_records;

/* In the trap path's section because tli_ftrace_int3() asks; the tracer asks, too. */
TLI_TRAP size_t tli_ftrace_find(uintptr_t site)
{
    const struct tli_ftrace_record *record = tli_ftrace_records.record;
    size_t low = 0, high = tli_ftrace_records.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (record[middle].site < site)
            low = middle + 1;
        else
            high = middle;
    }
    return low < tli_ftrace_records.count && record[low].site == site ? low : TLI_NO_RECORD;
}

size_t tl_ftrace_count(void)
{
    return tli_ftrace_records.count;
}

uintptr_t tl_ftrace_site(size_t index)
{
    return tli_ftrace_records.record[index].site;
}

uintptr_t tl_ftrace_site_of(uintptr_t address)
{
    if (tli_ftrace_find(address) != TLI_NO_RECORD)
        return address;
    size_t behind = tli_ftrace_find(address + 4); /* the function begins with an endbr */
    uint8_t bytes[4];
    struct tl_insn insn;
    if (behind == TLI_NO_RECORD || tl_port_text_read(address, bytes, sizeof(bytes)) != TL_OK ||
        tl_insn_decode(&insn, bytes, sizeof(bytes), TL_ARCH_MODE) != TL_OK || insn.category != TL_INSN_ENDBR)
        return 0;
    return address + 4;
}

/* True if the bytes are what a compiler puts at a site: nops, as many as it likes, or a call. */
static bool is_site(const uint8_t *bytes)
{
    unsigned size = 0;
    struct tl_insn insn;
    while (size < TL_FTRACE_SITE_BYTES &&
           tl_insn_decode(&insn, bytes + size, TL_FTRACE_SITE_BYTES - size, TL_ARCH_MODE) == TL_OK &&
           insn.category == TL_INSN_NOP)
        size += insn.length;
    return size == TL_FTRACE_SITE_BYTES || bytes[0] == CALL;
}

/* Makes the one nop of a site that the engine writes itself, so that what stands there is known from then on. No
 * breakpoint is needed: one core runs, and it is not in the middle of these bytes. */
static enum tl_status make_nop(uintptr_t site, bool *usable)
{
    static const uint8_t nop[TL_FTRACE_SITE_BYTES] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
    uint8_t bytes[TL_FTRACE_SITE_BYTES];
    *usable = false;
    if (tl_port_trap_path(site, sizeof(bytes)) || tl_port_text_read(site, bytes, sizeof(bytes)) != TL_OK ||
        !is_site(bytes))
        return TL_OK;
    *usable = true;
    return tl_port_text_write(site, nop, sizeof(nop));
}

/* Down the heap from root: each record not below the two under it. */
static void sift(struct tli_ftrace_record *heap, size_t root, size_t count)
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && heap[child].site < heap[child + 1].site)
            child++;
        if (heap[root].site >= heap[child].site)
            return;
        struct tli_ftrace_record swap = heap[root];
        heap[root] = heap[child];
        heap[child] = swap;
    }
}

static void sort(struct tli_ftrace_record *heap, size_t count)
{
    for (size_t i = count / 2; i > 0; i--)
        sift(heap, i - 1, count);
    for (size_t end = count; end > 1; end--) {
        struct tli_ftrace_record swap = heap[0];
        heap[0] = heap[end - 1];
        heap[end - 1] = swap;
        sift(heap, 0, end - 1);
    }
}

/* Of count sorted records, those that are sites, as one nop each. */
static enum tl_status keep_sites(struct tli_ftrace_record *record, size_t count, size_t *kept)
{
    enum tl_status status = TL_OK;
    *kept = 0;
    tl_port_text_lock();
    for (size_t i = 0; i < count && status == TL_OK; i++) {
        bool usable = false;
        if (*kept == 0 || record[*kept - 1].site + TL_FTRACE_SITE_BYTES <= record[i].site)
            status = make_nop(record[i].site, &usable);
        if (usable)
            record[(*kept)++] = record[i];
    }
    tl_port_serialize();
    tl_port_text_unlock();
    return status;
}

enum tl_status tl_ftrace_open(const struct tl_ftrace_table *tables, size_t count, const char *(*name)(uintptr_t))
{
    size_t all = 0, next = 0, kept = 0;
    if (tli_ftrace_records.record)
        return TL_BUSY;
    for (size_t i = 0; i < count; i++)
        all += (size_t)(tables[i].end - tables[i].begin);
    size_t room = (all + 1) * sizeof(struct tli_ftrace_record);
    struct tli_ftrace_record *record = tl_port_memory(room);
    if (!record)
        return TL_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        for (const uintptr_t *at = tables[i].begin; at < tables[i].end; at++)
            record[next++].site = *at;
    sort(record, all);
    enum tl_status status = keep_sites(record, all, &kept);
    if (status != TL_OK) {
        tl_port_memory_free(record, room);
        return status;
    }
    tli_ftrace_records = (struct tli_ftrace_records){kept, record, name, (uint32_t)(all - kept)};
    return TL_OK;
}
