/* SPDX-License-Identifier: MIT
 *
 * The file: opened, checked, mapped; its segments, executable sections, and bytes by address. Not its symbols, nor
 * what the bytes mean. Called by module.c, and for bytes by all others.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <plan/elf.h>
#include <plan/module.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const uint8_t *tli_bytes_at(const struct tli_module *m, uint64_t address, size_t *available)
{
    for (size_t i = 0; i < m->segment_count; i++) {
        const struct tli_segment *s = &m->segments[i];
        if (address >= s->start && address < s->end) {
            *available = (size_t)(s->end - address);
            return s->bytes + (address - s->start);
        }
    }
    *available = 0;
    return NULL;
}

bool tli_read(const struct tli_module *m, uint64_t address, void *out, size_t size)
{
    size_t available;
    const uint8_t *bytes = tli_bytes_at(m, address, &available);
    if (!bytes || available < size)
        return false;
    memcpy(out, bytes, size);
    return true;
}

struct tli_region *tli_region_at(struct tli_module *m, uint64_t address)
{
    for (size_t i = 0; i < m->region_count; i++)
        if (address >= m->regions[i].start && address < m->regions[i].end)
            return &m->regions[i];
    return NULL;
}

const struct tli_section *tli_section_at(const struct tli_module *m, uint64_t address)
{
    size_t low = 0, high = m->section_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->sections[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < m->section_count && m->sections[low].start <= address ? &m->sections[low] : NULL;
}

static bool refuse(char *error, size_t error_bytes, const char *path, const char *why)
{
    snprintf(error, error_bytes, "'%s' %s", path, why);
    return false;
}

static bool check_identity(const struct tli_module *m, const char *path, char *error, size_t bytes)
{
    if (m->file_bytes < 4 || memcmp(m->file, ELFMAG, SELFMAG) != 0)
        return refuse(error, bytes, path, "is not an ELF file");
    if (m->file_bytes < sizeof(Elf64_Ehdr)) /* it shrank since */
        return refuse(error, bytes, path, "is truncated: its ELF header is not whole");
    unsigned machine =
        m->file[EI_DATA] == ELFDATA2MSB ? m->file[18] << 8 | m->file[19] : m->file[19] << 8 | m->file[18];
    if (machine == EM_386)
        return refuse(error, bytes, path, "is an i386 program; trapline traces x86-64 ones");
    if (machine == EM_X86_64 && m->file[EI_CLASS] != ELFCLASS64)
        return refuse(error, bytes, path, "is an x32 program; trapline traces x86-64 ones");
    if (machine != EM_X86_64 || m->file[EI_CLASS] != ELFCLASS64 || m->file[EI_DATA] != ELFDATA2LSB) {
        snprintf(error, bytes, "'%s' is made for another processor (ELF machine %u); trapline traces x86-64 programs",
                 path, machine);
        return false;
    }
    unsigned type = (unsigned)(m->file[16] | m->file[17] << 8);
    if (type == ET_REL)
        return refuse(error, bytes, path, "is an object file that is not linked yet");
    if (type == ET_CORE)
        return refuse(error, bytes, path, "is a core dump, not a program");
    if (type != ET_EXEC && type != ET_DYN)
        return refuse(error, bytes, path, "is neither a program nor a library");
    return true;
}

static bool add_segment(struct tli_module *m, const GElf_Phdr *header)
{
    if (!header->p_filesz || m->segment_count == TLI_SEGMENTS_MAX)
        return true;
    if (header->p_offset > m->file_bytes || header->p_filesz > m->file_bytes - header->p_offset ||
        header->p_vaddr + header->p_filesz < header->p_vaddr)
        return false;
    struct tli_segment *s = &m->segments[m->segment_count++];
    s->start = header->p_vaddr;
    s->end = header->p_vaddr + header->p_filesz;
    s->bytes = m->file + header->p_offset;
    s->execute = header->p_flags & PF_X;
    s->write = header->p_flags & PF_W;
    return true;
}

/* .eh_frame by way of PT_GNU_EH_FRAME, for files without section headers: it ends with a terminator. */
static void find_frames(struct tli_module *m, uint64_t header)
{
    uint8_t head[8];
    int32_t offset;
    /* version 1, eh_frame_ptr as pcrel|sdata4: what all linkers write */
    if (m->frame_start || !tli_read(m, header, head, sizeof head) || head[0] != 1 || head[1] != 0x1b)
        return;
    memcpy(&offset, head + 4, 4);
    size_t available;
    uint64_t start = header + 4 + (uint64_t)(int64_t)offset;
    if (tli_bytes_at(m, start, &available)) {
        m->frame_start = start;
        m->frame_end = start + available;
    }
}

static bool read_segments(struct tli_module *m, Elf *elf, const char *path, char *error, size_t bytes)
{
    size_t count;
    uint64_t frame_header = 0;
    if (elf_getphdrnum(elf, &count) != 0)
        count = 0;
    for (size_t i = 0; i < count && i < 4096; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(elf, (int)i, &header))
            return refuse(error, bytes, path, "is truncated: its program headers lie behind the file's end");
        if (header.p_type == PT_LOAD && !add_segment(m, &header))
            return refuse(error, bytes, path, "is truncated: a loaded part lies behind the file's end");
        if (header.p_type == PT_GNU_EH_FRAME)
            frame_header = header.p_vaddr;
    }
    if (frame_header)
        find_frames(m, frame_header);
    return m->segment_count ? true : refuse(error, bytes, path, "has nothing that is loaded: no program headers");
}

/* Overlapping segments exist in corrupt files only; the first one wins, so that no bit map is larger than the file. */
static bool make_regions(struct tli_module *m)
{
    for (size_t i = 0; i < m->segment_count; i++) {
        const struct tli_segment *s = &m->segments[i];
        bool overlaps = false;
        for (size_t j = 0; j < m->region_count; j++)
            overlaps |= s->start < m->regions[j].end && m->regions[j].start < s->end;
        if (!s->execute || overlaps)
            continue;
        struct tli_region *r = &m->regions[m->region_count++];
        size_t words = (size_t)((s->end - s->start) / 64 + 1);
        r->start = s->start;
        r->end = s->end;
        r->bytes = s->bytes;
        r->starts = calloc(words, 8);
        r->targets = calloc(words, 8);
        r->taken = calloc(words, 8);
        r->claimed = calloc(words, 8);
        r->written = calloc(words, 8);
        if (!r->starts || !r->targets || !r->taken || !r->claimed || !r->written)
            return false;
    }
    return true;
}

static int by_start(const void *a, const void *b)
{
    const struct tli_section *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static void add_section(struct tli_module *m, const char *name, const GElf_Shdr *header)
{
    uint64_t end = header->sh_addr + header->sh_size;
    if (!(header->sh_flags & SHF_ALLOC) || end < header->sh_addr)
        return;
    if (strcmp(name, ".eh_frame") == 0 && header->sh_type != SHT_NOBITS) {
        m->frame_start = header->sh_addr;
        m->frame_end = end;
    }
    if (strcmp(name, "__rseq_cs") == 0) {
        m->rseq_start = header->sh_addr;
        m->rseq_end = end;
    }
    const struct tli_region *region = tli_region_at(m, header->sh_addr);
    if (!(header->sh_flags & SHF_EXECINSTR) || header->sh_type == SHT_NOBITS || !region || !header->sh_size)
        return;
    bool plt = strncmp(name, ".plt", 4) == 0 || strncmp(name, ".iplt", 5) == 0;
    TLI_PUSH(m, m->sections, m->section_count, m->section_capacity,
             (struct tli_section){header->sh_addr, end < region->end ? end : region->end, plt});
}

static bool read_sections(struct tli_module *m, Elf *elf, const char *path, char *error, size_t bytes)
{
    Elf64_Ehdr header;
    memcpy(&header, m->file, sizeof header);
    if (header.e_shoff && (header.e_shoff > m->file_bytes ||
                           (size_t)header.e_shnum * sizeof(Elf64_Shdr) > m->file_bytes - header.e_shoff))
        return refuse(error, bytes, path, "is truncated: its section headers lie behind the file's end");
    size_t names = 0;
    Elf_Scn *section = NULL;
    if (header.e_shoff && elf_getshdrstrndx(elf, &names) == 0)
        while ((section = elf_nextscn(elf, section))) {
            GElf_Shdr shdr;
            const char *name = gelf_getshdr(section, &shdr) ? elf_strptr(elf, names, shdr.sh_name) : NULL;
            if (name)
                add_section(m, name, &shdr);
        }
    m->has_sections = m->section_count > 0;
    if (!m->has_sections)
        for (size_t i = 0; i < m->region_count; i++)
            TLI_PUSH(m, m->sections, m->section_count, m->section_capacity,
                     (struct tli_section){m->regions[i].start, m->regions[i].end, false});
    if (!m->section_count)
        return true;
    qsort(m->sections, m->section_count, sizeof *m->sections, by_start);
    size_t kept = 0;
    for (size_t i = 0; i < m->section_count; i++)
        if (!kept || m->sections[i].start >= m->sections[kept - 1].end)
            m->sections[kept++] = m->sections[i];
    m->section_count = kept;
    return true;
}

struct tli_elf *tli_elf_add(struct tli_module *m, Elf *elf, int fd, void *memory)
{
    struct tli_elf *e = calloc(1, sizeof *e);
    if (!e) {
        m->out_of_memory = true;
        elf_end(elf);
        if (fd >= 0)
            close(fd);
        free(memory);
        return NULL;
    }
    *e = (struct tli_elf){elf, fd, memory, m->handles};
    m->handles = e;
    return e;
}

bool tli_elf_open(struct tli_module *m, const char *path, const char *label, char *error, size_t bytes)
{
    elf_version(EV_CURRENT);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe shall not hold us up */
    if (fd < 0) {
        snprintf(error, bytes, "cannot open '%s': %s", label, strerror(errno));
        return false;
    }
    struct stat status = {0};
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        return refuse(error, bytes, label, S_ISDIR(status.st_mode) ? "is a directory" : "is not a regular file");
    }
    char magic[SELFMAG] = "";
    if (status.st_size < (off_t)sizeof(Elf64_Ehdr) && pread(fd, magic, SELFMAG, 0) == SELFMAG &&
        memcmp(magic, ELFMAG, SELFMAG) == 0) {
        close(fd);
        return refuse(error, bytes, label, "is truncated: its ELF header is not whole");
    }
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    struct tli_elf *handle = elf ? tli_elf_add(m, elf, fd, NULL) : NULL;
    if (!handle) {
        if (!elf)
            close(fd);
        return refuse(error, bytes, label, "cannot be read as an ELF file");
    }
    m->file = (const uint8_t *)elf_rawfile(elf, &m->file_bytes);
    if (!m->file)
        return refuse(error, bytes, label, status.st_size ? "cannot be read" : "is empty");
    if (!check_identity(m, label, error, bytes))
        return false;
    if (elf_kind(elf) != ELF_K_ELF)
        return refuse(error, bytes, label, "is truncated or corrupt: its ELF header does not fit the file");
    if (!read_segments(m, elf, label, error, bytes))
        return false;
    if (!make_regions(m))
        return refuse(error, bytes, label, "is too large: out of memory");
    if (!m->region_count)
        return refuse(error, bytes, label, "holds no code");
    return read_sections(m, elf, label, error, bytes);
}

void tli_elf_close(struct tli_module *m)
{
    for (struct tli_elf *e = m->handles, *next; e; e = next) {
        next = e->next;
        elf_end(e->elf);
        if (e->fd >= 0)
            close(e->fd);
        free(e->memory);
        free(e);
    }
    for (size_t i = 0; i < m->region_count; i++) {
        free(m->regions[i].starts);
        free(m->regions[i].targets);
        free(m->regions[i].taken);
        free(m->regions[i].claimed);
        free(m->regions[i].written);
    }
}
