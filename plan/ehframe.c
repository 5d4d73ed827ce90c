/* SPDX-License-Identifier: MIT
 *
 * .eh_frame: which ranges of code are described, and the exception handlers (landing pads) of each. What the
 * descriptions say of the stack is in frame.c. Called by module.c and flow.c. After the Linux Standard Base, "Exception
 * Frames", and the Itanium C++ ABI, "Exception Handling Tables".
 */
#include <plan/cursor.h>
#include <plan/module.h>
#include <stdlib.h>

#define PADS_MAX 65536

static void read_augmentation(struct tli_cursor *c, const char *letters, struct tli_cie *cie)
{
    for (const char *letter = letters; *letter && !c->bad; letter++) {
        if (*letter == 'z') {
            cie->sized = true;
            tli_take_uleb(c);
        } else if (*letter == 'R') {
            cie->pointer_encoding = (uint8_t)tli_take(c, 1);
        } else if (*letter == 'P') {
            uint8_t encoding = (uint8_t)tli_take(c, 1);
            tli_take_encoded(c, encoding);
        } else if (*letter == 'L') {
            cie->lsda_encoding = (uint8_t)tli_take(c, 1);
            cie->has_lsda = cie->lsda_encoding != TLI_PE_OMIT;
        } else if (*letter == 'S') {
            cie->signal = true;
        } else if (*letter != 'B') {
            c->bad = true;
        }
    }
}

static bool read_cie(struct tli_cursor c, uint64_t address, struct tli_cie *cie)
{
    *cie = (struct tli_cie){.address = address, .lsda_encoding = TLI_PE_OMIT};
    uint64_t version = tli_take(&c, 1);
    const char *letters = (const char *)c.at;
    while (tli_take(&c, 1) && !c.bad)
        ;
    if (c.bad || (version != 1 && version != 3))
        return false;
    cie->code_align = tli_take_uleb(&c);
    cie->data_align = tli_take_sleb(&c);
    if (version == 1)
        tli_take(&c, 1);
    else
        tli_take_uleb(&c);
    /* the size stands first, so that unknown letters could be skipped; nobody uses any */
    const struct tli_cursor before = c;
    uint64_t size = 0;
    if (*letters == 'z') {
        struct tli_cursor sized = before;
        size = tli_take_uleb(&sized);
        read_augmentation(&c, letters, cie);
        if (size > (uint64_t)(sized.end - sized.at))
            return false;
        cie->program = sized.at + size;
    } else {
        if (*letters)
            return false;
        cie->program = c.at;
    }
    cie->program_end = c.end;
    return !c.bad;
}

/* CIEs are few and mostly the last one is asked for. */
static uint32_t find_cie(struct tli_module *m, uint64_t address)
{
    for (size_t i = m->cie_count; i-- > 0 && i + 64 > m->cie_count;)
        if (m->cies[i].address == address)
            return (uint32_t)i;
    size_t available;
    const uint8_t *bytes = tli_bytes_at(m, address, &available);
    if (!bytes)
        return TLI_NO_INDEX;
    struct tli_cursor c = {bytes, bytes + available, address, false};
    uint64_t length = tli_take(&c, 4);
    struct tli_cie cie;
    if (!length || length >= 0xfffffff0 || length > (uint64_t)(c.end - c.at))
        return TLI_NO_INDEX;
    c.end = c.at + length;
    if (tli_take(&c, 4) != 0 || !read_cie(c, address, &cie))
        return TLI_NO_INDEX;
    size_t before = m->cie_count;
    TLI_PUSH(m, m->cies, m->cie_count, m->cie_capacity, cie);
    return m->cie_count > before ? (uint32_t)before : TLI_NO_INDEX;
}

static void read_fde(struct tli_module *m, struct tli_cursor c, uint32_t cie_index)
{
    const struct tli_cie *cie = &m->cies[cie_index];
    struct tli_fde fde = {.cie = cie_index};
    fde.start = tli_take_encoded(&c, cie->pointer_encoding);
    fde.end = fde.start + tli_take_encoded(&c, cie->pointer_encoding & 0x0f);
    if (cie->sized) {
        uint64_t size = tli_take_uleb(&c);
        struct tli_cursor augmentation = c;
        if (c.bad || size > (uint64_t)(c.end - c.at))
            return;
        if (cie->has_lsda)
            fde.lsda = tli_take_encoded(&augmentation, cie->lsda_encoding & 0x7f);
        c.at += size;
    }
    fde.program = c.at;
    fde.program_end = c.end;
    if (!c.bad && fde.start && fde.end > fde.start)
        TLI_PUSH(m, m->fdes, m->fde_count, m->fde_capacity, fde);
}

static int by_start(const void *a, const void *b)
{
    const struct tli_fde *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

void tli_frames_read(struct tli_module *m)
{
    size_t available;
    const uint8_t *bytes = tli_bytes_at(m, m->frame_start, &available);
    if (!bytes || m->frame_end <= m->frame_start)
        return;
    if (available > m->frame_end - m->frame_start)
        available = (size_t)(m->frame_end - m->frame_start);
    struct tli_cursor c = {bytes, bytes + available, m->frame_start, false};
    while (c.end - c.at >= 4 && !m->out_of_memory) {
        uint64_t length = tli_take(&c, 4);
        if (length == 0 && m->has_sections)
            continue; /* some tools put a terminator in the middle */
        if (length == 0 || length >= 0xfffffff0 || length > (uint64_t)(c.end - c.at))
            break;
        struct tli_cursor entry = {c.at, c.at + length, c.address, false};
        uint64_t id_address = entry.address, id = tli_take(&entry, 4);
        uint32_t cie = id ? find_cie(m, id_address - id) : TLI_NO_INDEX;
        if (cie != TLI_NO_INDEX && !entry.bad)
            read_fde(m, entry, cie);
        c.at += length;
        c.address += length;
    }
    if (m->fde_count)
        qsort(m->fdes, m->fde_count, sizeof *m->fdes, by_start);
    for (size_t i = 0; i < m->fde_count; i++)
        m->fdes[i].is_entry = !m->cies[m->fdes[i].cie].signal && tli_frame_is_bare(m, m->fdes[i].start) != 0;
}

const struct tli_fde *tli_fde_at(const struct tli_module *m, uint64_t address)
{
    size_t low = 0, high = m->fde_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->fdes[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low && address < m->fdes[low - 1].end ? &m->fdes[low - 1] : NULL;
}

size_t tli_landing_pads(const struct tli_module *m, const struct tli_fde *fde, uint64_t *pads, size_t max)
{
    size_t available, count = 0;
    const uint8_t *bytes = fde->lsda ? tli_bytes_at(m, fde->lsda, &available) : NULL;
    if (!bytes)
        return 0;
    struct tli_cursor c = {bytes, bytes + available, fde->lsda, false};
    uint8_t encoding = (uint8_t)tli_take(&c, 1);
    uint64_t base = encoding == TLI_PE_OMIT ? fde->start : tli_take_encoded(&c, encoding);
    if ((uint8_t)tli_take(&c, 1) != TLI_PE_OMIT)
        tli_take_uleb(&c); /* to the type table */
    encoding = (uint8_t)tli_take(&c, 1);
    uint64_t size = tli_take_uleb(&c);
    if (c.bad || size > (uint64_t)(c.end - c.at))
        return 0;
    c.end = c.at + size;
    while (c.at < c.end && count < max) {
        tli_take_encoded(&c, encoding & 0x0f);
        tli_take_encoded(&c, encoding & 0x0f);
        uint64_t pad = tli_take_encoded(&c, encoding & 0x0f);
        tli_take_uleb(&c);
        if (c.bad)
            break;
        if (pad)
            pads[count++] = base + pad;
    }
    return count;
}
