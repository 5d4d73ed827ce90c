/* SPDX-License-Identifier: MIT
 *
 * Symbols of functions and other labels in code, out of .symtab and .dynsym of the file and of its debug files.
 * Does not decide what a function is (functions.c). Called by module.c.
 */
#include <gelf.h>
#include <plan/elf.h>
#include <plan/module.h>
#include <stdlib.h>
#include <string.h>

char *tli_keep_string(struct tli_module *m, char *string)
{
    if (!string) {
        m->out_of_memory = true;
        return NULL;
    }
    size_t before = m->string_count;
    TLI_PUSH(m, m->strings, m->string_count, m->string_capacity, string);
    if (m->string_count == before) {
        free(string);
        return NULL;
    }
    return string;
}

/* foo@@VERSION is foo. */
static const char *plain_name(struct tli_module *m, const char *name)
{
    const char *at = strchr(name, '@');
    if (!at || at == name)
        return name;
    return tli_keep_string(m, strndup(name, (size_t)(at - name)));
}

/* Names that others see before local ones; then fewer leading underscores, so that mallopt goes before its strong alias
 * __libc_mallopt; then strong before weak. by_address() adds: then the shorter one. */
static uint8_t rank_of(const GElf_Sym *symbol, const char *name)
{
    unsigned binding = GELF_ST_BIND(symbol->st_info);
    size_t underscores = strspn(name, "_");
    /* _Z and _R begin mangled names and are no sign of an internal one */
    if (underscores == 1 && (name[1] == 'Z' || name[1] == 'R'))
        underscores = 0;
    if (underscores > 31)
        underscores = 31;
    return (uint8_t)((binding == STB_LOCAL ? 128 : 0) + underscores * 2 + (binding == STB_WEAK));
}

static void add_symbol(struct tli_module *m, const GElf_Sym *symbol, const char *name)
{
    unsigned type = GELF_ST_TYPE(symbol->st_info);
    const struct tli_section *section = tli_section_at(m, symbol->st_value);
    if (!section || section->plt || symbol->st_shndx == SHN_UNDEF || symbol->st_shndx == SHN_ABS || !*name)
        return;
    uint64_t end = symbol->st_value + symbol->st_size;
    if (end < symbol->st_value || end > section->end)
        end = section->end;
    if (type == STT_FUNC || type == STT_GNU_IFUNC) {
        if ((name = plain_name(m, name)))
            TLI_PUSH(m, m->symbols, m->symbol_count, m->symbol_capacity,
                     (struct tli_symbol){symbol->st_value, end - symbol->st_value, name, rank_of(symbol, name)});
    } else if (type == STT_OBJECT || type == STT_NOTYPE) {
        TLI_PUSH(m, m->labels, m->label_count, m->label_capacity, (struct tli_range){symbol->st_value, end});
    }
}

static void read_table(struct tli_module *m, Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
    Elf_Data *data = elf_getdata(section, NULL);
    Elf_Scn *strings_section = elf_getscn(elf, header->sh_link);
    Elf_Data *strings = strings_section ? elf_getdata(strings_section, NULL) : NULL;
    if (!data || !data->d_buf || !strings || !strings->d_buf || !strings->d_size ||
        ((const char *)strings->d_buf)[strings->d_size - 1] != 0)
        return;
    size_t count = data->d_size / sizeof(Elf64_Sym);
    for (size_t i = 0; i < count && i < INT32_MAX && !m->out_of_memory; i++) {
        GElf_Sym symbol;
        if (gelf_getsym(data, (int)i, &symbol) && symbol.st_name < strings->d_size)
            add_symbol(m, &symbol, (const char *)strings->d_buf + symbol.st_name);
    }
}

static void read_file(struct tli_module *m, Elf *elf)
{
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) && (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM))
            read_table(m, elf, section, &header);
    }
}

static int by_address(const void *a, const void *b)
{
    const struct tli_symbol *x = a, *y = b;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    size_t left = strlen(x->name), right = strlen(y->name);
    if (left != right)
        return left < right ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* One symbol an address and name; the sizes of the two tables may differ where a file was edited: the larger wins. */
static void sort_symbols(struct tli_module *m)
{
    if (!m->symbol_count)
        return;
    qsort(m->symbols, m->symbol_count, sizeof *m->symbols, by_address);
    size_t kept = 1;
    for (size_t i = 1; i < m->symbol_count; i++) {
        struct tli_symbol *last = &m->symbols[kept - 1];
        const struct tli_symbol *symbol = &m->symbols[i];
        if (symbol->address == last->address && strcmp(symbol->name, last->name) == 0) {
            if (symbol->size > last->size)
                last->size = symbol->size;
        } else {
            m->symbols[kept++] = *symbol;
        }
    }
    m->symbol_count = kept;
}

/* Without section headers .dynsym is still there, by way of PT_DYNAMIC: what the loader reads. Its length is not
 * written down; the string table follows it in every file that a linker made. */
static void read_dynamic(struct tli_module *m, Elf *elf)
{
    size_t count;
    uint64_t address = 0, size = 0, symbols = 0, strings = 0, string_bytes = 0;
    if (elf_getphdrnum(elf, &count) != 0)
        return;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr header;
        if (gelf_getphdr(elf, (int)i, &header) && header.p_type == PT_DYNAMIC) {
            address = header.p_vaddr;
            size = header.p_filesz;
        }
    }
    Elf64_Dyn dyn;
    for (uint64_t at = 0; at < size && tli_read(m, address + at, &dyn, sizeof dyn) && dyn.d_tag; at += sizeof dyn) {
        symbols = dyn.d_tag == DT_SYMTAB ? dyn.d_un.d_ptr : symbols;
        strings = dyn.d_tag == DT_STRTAB ? dyn.d_un.d_ptr : strings;
        string_bytes = dyn.d_tag == DT_STRSZ ? dyn.d_un.d_val : string_bytes;
    }
    size_t available;
    const char *names = (const char *)tli_bytes_at(m, strings, &available);
    if (!symbols || strings <= symbols || !names || !string_bytes || string_bytes > available ||
        names[string_bytes - 1] != 0)
        return;
    GElf_Sym symbol;
    for (uint64_t at = symbols; at + sizeof symbol <= strings && tli_read(m, at, &symbol, sizeof symbol);
         at += sizeof symbol)
        if (symbol.st_name < string_bytes)
            add_symbol(m, &symbol, names + symbol.st_name);
}

bool tli_symbols_read(struct tli_module *m, const char *label)
{
    struct tli_elf *own = m->handles;
    tli_debug_open(m, own->elf, label);
    for (struct tli_elf *e = m->handles; e; e = e->next)
        read_file(m, e->elf);
    if (!m->has_sections)
        read_dynamic(m, own->elf);
    sort_symbols(m);
    return !m->out_of_memory;
}
