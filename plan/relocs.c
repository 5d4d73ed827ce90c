/* SPDX-License-Identifier: MIT
 *
 * Relocations: where the loader will write an address of this file (tables of pointers to code are empty in the file),
 * and which GOT slots lead to functions that never return. Called by module.c.
 */
#include <gelf.h>
#include <plan/elf.h>
#include <plan/module.h>
#include <stdlib.h>
#include <string.h>

bool tli_is_no_return_name(const char *name)
{
    /* sorted; those that compilers and libraries call and that never come back */
    static const char *const names[] = {"_Exit",
                                        "_Unwind_Resume",
                                        "_ZSt10unexpectedv",
                                        "_ZSt9terminatev",
                                        "__assert",
                                        "__assert_fail",
                                        "__assert_perror_fail",
                                        "__chk_fail",
                                        "__cxa_bad_cast",
                                        "__cxa_bad_typeid",
                                        "__cxa_call_terminate",
                                        "__cxa_call_unexpected",
                                        "__cxa_deleted_virtual",
                                        "__cxa_pure_virtual",
                                        "__cxa_rethrow",
                                        "__cxa_throw",
                                        "__cxa_throw_bad_array_new_length",
                                        "__fortify_fail",
                                        "__libc_fatal",
                                        "__libc_start_main",
                                        "__longjmp_chk",
                                        "__stack_chk_fail",
                                        "__stack_chk_fail_local",
                                        "_exit",
                                        "_longjmp",
                                        "abort",
                                        "exit",
                                        "longjmp",
                                        "pthread_exit",
                                        "quick_exit",
                                        "siglongjmp",
                                        "thrd_exit"};
    size_t low = 0, high = sizeof names / sizeof *names;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(name, names[middle]);
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return strncmp(name, "_ZSt", 4) == 0 && strstr(name, "__throw_");
}

static void add_relative(struct tli_module *m, uint64_t where, uint64_t value)
{
    TLI_PUSH(m, m->relocs, m->reloc_count, m->reloc_capacity, (struct tli_reloc){where, value});
}

static void read_rela(struct tli_module *m, Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
    Elf_Data *data = elf_getdata(section, NULL);
    Elf_Scn *symbols_section = elf_getscn(elf, header->sh_link);
    Elf_Data *symbols = symbols_section ? elf_getdata(symbols_section, NULL) : NULL;
    GElf_Shdr symbols_header;
    if (!data || !data->d_buf || !symbols_section || !gelf_getshdr(symbols_section, &symbols_header))
        return;
    size_t count = data->d_size / sizeof(Elf64_Rela);
    for (size_t i = 0; i < count && i < INT32_MAX && !m->out_of_memory; i++) {
        GElf_Rela rela;
        GElf_Sym symbol;
        if (!gelf_getrela(data, (int)i, &rela))
            return;
        unsigned type = (unsigned)GELF_R_TYPE(rela.r_info);
        if (type == R_X86_64_RELATIVE || type == R_X86_64_IRELATIVE) {
            add_relative(m, rela.r_offset, (uint64_t)rela.r_addend);
            continue;
        }
        if ((type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT && type != R_X86_64_64) || !symbols ||
            !symbols->d_buf || !gelf_getsym(symbols, (int)GELF_R_SYM(rela.r_info), &symbol))
            continue;
        const char *name = elf_strptr(elf, symbols_header.sh_link, symbol.st_name);
        if (type != R_X86_64_64 && name && tli_is_no_return_name(name))
            TLI_PUSH(m, m->no_return_slots, m->no_return_count, m->no_return_capacity, rela.r_offset);
        if (symbol.st_shndx != SHN_UNDEF && symbol.st_value)
            add_relative(m, rela.r_offset, symbol.st_value + (uint64_t)rela.r_addend);
    }
}

/* Packed relative relocations: an even word is an address, an odd one a bit map of the 63 words that follow.
 * The values stand in place. */
static void read_relr(struct tli_module *m, Elf_Scn *section)
{
    Elf_Data *data = elf_getdata(section, NULL);
    uint64_t where = 0, value;
    for (size_t i = 0; data && data->d_buf && i + 8 <= data->d_size && !m->out_of_memory; i += 8) {
        uint64_t word;
        memcpy(&word, (const uint8_t *)data->d_buf + i, 8);
        if (!(word & 1)) {
            if (tli_read(m, word, &value, 8))
                add_relative(m, word, value);
            where = word + 8;
            continue;
        }
        for (unsigned bit = 1; bit < 64; bit++)
            if (word >> bit & 1 && tli_read(m, where + (bit - 1) * 8, &value, 8))
                add_relative(m, where + (bit - 1) * 8, value);
        where += UINT64_C(63) * 8;
    }
}

static int by_where(const void *a, const void *b)
{
    const struct tli_reloc *x = a, *y = b;
    return x->where < y->where ? -1 : x->where > y->where;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

uint64_t tli_pointer_at(const struct tli_module *m, uint64_t address, bool *ok)
{
    struct tli_reloc key = {address, 0};
    const struct tli_reloc *reloc =
        m->reloc_count ? bsearch(&key, m->relocs, m->reloc_count, sizeof key, by_where) : NULL;
    uint64_t value = 0;
    *ok = reloc || tli_read(m, address, &value, 8);
    return reloc ? reloc->value : value;
}

static void mark_pointer(struct tli_module *m, uint64_t value)
{
    struct tli_region *region = tli_region_at(m, value);
    if (!region)
        return;
    tli_bit_set(region->taken, value - region->start);
    tli_bit_set(region->targets, value - region->start);
}

/* Words of data that may be pointers to code, in a file that is loaded where it says: its tables have no relocations.
 * A number that only looks like a pointer costs a slower site at most; it proves nothing. */
static void scan_words(struct tli_module *m)
{
    for (size_t i = 0; i < m->segment_count; i++) {
        const struct tli_segment *s = &m->segments[i];
        if (s->execute)
            continue;
        for (uint64_t at = (s->start + 7) & ~UINT64_C(7); at + 8 <= s->end && at >= s->start; at += 8) {
            uint64_t value;
            memcpy(&value, s->bytes + (at - s->start), 8);
            if (value)
                mark_pointer(m, value);
        }
    }
}

static void collect_code_pointers(struct tli_module *m)
{
    m->code_pointers = malloc((m->reloc_count + 1) * 8);
    if (!m->code_pointers) {
        m->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < m->reloc_count; i++) {
        if (!tli_region_at(m, m->relocs[i].value))
            continue;
        m->code_pointers[m->code_pointer_count++] = m->relocs[i].value;
        mark_pointer(m, m->relocs[i].value);
    }
    qsort(m->code_pointers, m->code_pointer_count, 8, by_value);
}

void tli_relocs_read(struct tli_module *m)
{
    struct tli_elf *own = m->handles;
    while (own->next)
        own = own->next;
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(own->elf, section))) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header) || !(header.sh_flags & SHF_ALLOC))
            continue;
        if (header.sh_type == SHT_RELA)
            read_rela(m, own->elf, section, &header);
        else if (header.sh_type == SHT_RELR)
            read_relr(m, section);
    }
    if (!m->module->position_independent || !m->has_sections)
        scan_words(m);
    if (m->reloc_count)
        qsort(m->relocs, m->reloc_count, sizeof *m->relocs, by_where);
    if (m->no_return_count)
        qsort(m->no_return_slots, m->no_return_count, 8, by_value);
    collect_code_pointers(m);
}
