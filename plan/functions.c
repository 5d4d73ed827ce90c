/* SPDX-License-Identifier: MIT
 *
 * What the functions are: symbols and described ranges brought together, one a place, with bounds; and the cold parts,
 * which are pieces of functions elsewhere. Does not look at instructions. Called by module.c.
 */
#include <plan/module.h>
#include <stdlib.h>
#include <string.h>

/* f.cold, f.cold.3: what GCC and clang call the part of f that they moved away. */
static bool is_cold_name(const char *name)
{
    for (const char *cold = strstr(name, ".cold"); cold && cold != name; cold = strstr(cold + 1, ".cold")) {
        const char *tail = cold + 5;
        if (!*tail || (*tail == '.' && strspn(tail + 1, "0123456789") == strlen(tail + 1)))
            return true;
    }
    return false;
}

/* mov $15,%rax; syscall: what a signal handler returns to. Unwinders know it by its bytes, so they stay. */
static bool is_signal_return(const struct tli_module *m, uint64_t address, const char *name)
{
    static const uint8_t bytes[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
    uint8_t found[sizeof bytes];
    if (name && strcmp(name, "__restore_rt") == 0)
        return true;
    return tli_read(m, address, found, sizeof found) && memcmp(found, bytes, sizeof bytes) == 0;
}

static bool in_rseq(const struct tli_module *m, uint64_t address)
{
    for (size_t i = 0; i < m->nogo_count; i++)
        if (address >= m->nogo[i].start && address < m->nogo[i].end)
            return true;
    return false;
}

/* Only in files without section headers, where .plt has no name: jmp *slot(%rip) alone in its 16 bytes. */
static bool looks_like_plt(const struct tli_module *m, uint64_t address)
{
    uint8_t b[16];
    if (m->has_sections || !tli_read(m, address, b, sizeof b))
        return false;
    size_t at = memcmp(b, "\xf3\x0f\x1e\xfa", 4) == 0 ? 4 : 0;
    at += b[at] == 0xf2;
    return (b[at] == 0xff && b[at + 1] == 0x25) || (b[0] == 0xff && b[1] == 0x35);
}

/* Filled with breakpoints: a name for a place that nobody shall reach. */
static bool is_filler(const struct tli_module *m, uint64_t address, uint64_t size)
{
    size_t available;
    const uint8_t *bytes = tli_bytes_at(m, address, &available);
    for (uint64_t i = 0; i < size && i < available; i++)
        if (bytes[i] != 0xcc)
            return false;
    return size > 0;
}

static void add_function(struct tli_module *m, uint64_t address, uint64_t end, const char *name)
{
    const struct tli_section *section = tli_section_at(m, address);
    if (!section || section->plt || is_signal_return(m, address, name) || in_rseq(m, address))
        return;
    if (end > section->end)
        end = section->end;
    if (is_filler(m, address, end - address))
        return;
    struct tl_plan_function function = {.name = name, .address = address, .size = end - address, .why = ""};
    struct tl_module *module = m->module;
    TLI_PUSH(m, module->functions, module->function_count, m->function_capacity, function);
}

static void add_cold(struct tli_module *m, uint64_t start, uint64_t end)
{
    TLI_PUSH(m, m->colds, m->cold_count, m->cold_capacity,
             (struct tli_cold){start, end, TLI_NO_INDEX, TLI_NO_INDEX, false});
}

static int by_address(const void *a, const void *b)
{
    const struct tl_plan_function *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

static int cold_by_start(const void *a, const void *b)
{
    const struct tli_cold *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

void tli_colds_sort(struct tli_module *m)
{
    if (m->cold_count)
        qsort(m->colds, m->cold_count, sizeof *m->colds, cold_by_start);
}

uint32_t tli_function_index(const struct tl_module *module, uint64_t address)
{
    size_t low = 0, high = module->function_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (module->functions[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < module->function_count && module->functions[low].address == address ? (uint32_t)low : TLI_NO_INDEX;
}

static struct tli_cold *find_cold(struct tli_module *m, size_t count, uint64_t address)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->colds[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && m->colds[low].start <= address ? &m->colds[low] : NULL;
}

struct tli_cold *tli_cold_at(struct tli_module *m, uint64_t address)
{
    return find_cold(m, m->cold_count, address);
}

/* The best name of each address stands first among its symbols; a size of 0 waits for close_sizes(). */
static void add_named(struct tli_module *m)
{
    for (size_t i = 0, next; i < m->symbol_count; i = next) {
        const struct tli_symbol *best = &m->symbols[i];
        uint64_t size = best->size;
        for (next = i + 1; next < m->symbol_count && m->symbols[next].address == best->address; next++)
            if (!size || (!best->size && m->symbols[next].size > size))
                size = m->symbols[next].size;
        if (is_cold_name(best->name))
            add_cold(m, best->address, best->address + (size ? size : 1));
        else
            add_function(m, best->address, best->address + size, best->name);
    }
}

/* Described ranges that no symbol names: functions of stripped files, or cold parts. */
static void add_unnamed(struct tli_module *m)
{
    struct tl_module *module = m->module;
    size_t named = module->function_count, named_colds = m->cold_count, at = 0;
    uint64_t covered = 0, last = 0;
    for (size_t i = 0; i < m->fde_count; i++) {
        const struct tli_fde *fde = &m->fdes[i];
        for (; at < named && module->functions[at].address <= fde->start; at++) {
            const struct tl_plan_function *f = &module->functions[at];
            if (f->address + f->size > covered)
                covered = f->address + f->size;
        }
        bool known = at > 0 && module->functions[at - 1].address == fde->start;
        const struct tli_section *section = tli_section_at(m, fde->start);
        if (known || fde->start < covered || fde->start == last || !section || section->plt)
            continue;
        last = fde->start;
        if (find_cold(m, named_colds, fde->start)) /* those added here are not in order yet */
            continue;
        uint64_t end = fde->end < section->end ? fde->end : section->end;
        if (looks_like_plt(m, fde->start))
            continue;
        if (fde->is_entry)
            add_function(m, fde->start, end, NULL);
        else
            add_cold(m, fde->start, end);
    }
}

/* What has no size ends where its described range does, or where the next function begins, or its section ends. */
static void close_sizes(struct tli_module *m)
{
    struct tl_module *module = m->module;
    size_t kept = 0;
    for (size_t i = 0; i < module->function_count; i++) {
        struct tl_plan_function *f = &module->functions[i];
        const struct tli_section *section = tli_section_at(m, f->address);
        const struct tli_fde *fde = f->size ? NULL : tli_fde_at(m, f->address);
        if (!f->size && section) {
            uint64_t end = fde ? fde->end : section->end;
            if (i + 1 < module->function_count && module->functions[i + 1].address < end)
                end = module->functions[i + 1].address;
            f->size = (end < section->end ? end : section->end) - f->address;
        }
        if (f->size)
            module->functions[kept++] = *f;
    }
    module->function_count = kept;
}

/* struct rseq_cs: version, flags, start_ip, post_commit_offset, abort_ip; 32 bytes. */
static void read_rseq(struct tli_module *m)
{
    for (uint64_t at = m->rseq_start; at + 32 <= m->rseq_end && at >= m->rseq_start; at += 32) {
        bool ok, ok_size;
        uint64_t start = tli_pointer_at(m, at + 8, &ok), size = tli_pointer_at(m, at + 16, &ok_size);
        if (!ok || !ok_size)
            return;
        if (size && size < 65536 && tli_section_at(m, start))
            TLI_PUSH(m, m->nogo, m->nogo_count, m->nogo_capacity, (struct tli_range){start, start + size});
    }
}

static void mark(struct tli_module *m, uint64_t address)
{
    struct tli_region *region = tli_region_at(m, address);
    if (region)
        tli_bit_set(region->targets, address - region->start);
}

static void make_facts(struct tli_module *m)
{
    struct tl_module *module = m->module;
    m->facts = calloc(module->function_count + 1, sizeof *m->facts);
    if (!m->facts) {
        m->out_of_memory = true;
        return;
    }
    size_t symbol = 0;
    for (size_t i = 0; i < module->function_count; i++) {
        struct tli_facts *facts = &m->facts[i];
        uint64_t address = module->functions[i].address;
        facts->cold = TLI_NO_INDEX;
        while (symbol < m->symbol_count && m->symbols[symbol].address < address)
            symbol++;
        facts->symbol_first = (uint32_t)symbol;
        for (; symbol < m->symbol_count && m->symbols[symbol].address == address; symbol++) {
            facts->symbol_count++;
            facts->no_return |= tli_is_no_return_name(m->symbols[symbol].name);
        }
        mark(m, address);
    }
    for (size_t i = 0; i < m->label_count; i++)
        mark(m, m->labels[i].start);
    for (size_t i = 0; i < m->fde_count; i++)
        mark(m, m->fdes[i].start);
}

void tli_functions_build(struct tli_module *m)
{
    struct tl_module *module = m->module;
    read_rseq(m);
    add_named(m);
    tli_colds_sort(m);
    add_unnamed(m);
    tli_colds_sort(m);
    if (module->function_count)
        qsort(module->functions, module->function_count, sizeof *module->functions, by_address);
    close_sizes(m);
    make_facts(m);
}
