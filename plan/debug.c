/* SPDX-License-Identifier: MIT
 *
 * Where more symbols of a file are: a separate debug file by build-id or .gnu_debuglink, and the .gnu_debugdata
 * section (an xz-compressed ELF file with a symbol table). Opens them; symbols.c reads them. Never asks the network.
 */
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <lzma.h>
#include <plan/elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MINI_MEMORY_MAX (UINT64_C(256) << 20) /* for the decompressor */
#define MINI_BYTES_MAX ((size_t)256 << 20)    /* decompressed */

static bool is_x86_64(Elf *elf)
{
    GElf_Ehdr header;
    return elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &header) && header.e_machine == EM_X86_64 &&
           header.e_ident[EI_CLASS] == ELFCLASS64;
}

/* A debug file must be of this very build: the same build-id, or else the checksum that the link names. */
static bool belongs(Elf *elf, const struct tl_module *module, const GElf_Word *crc)
{
    const void *id;
    ssize_t size = dwelf_elf_gnu_build_id(elf, &id);
    if (size > 0 && module->build_id_bytes)
        return (size_t)size == module->build_id_bytes && memcmp(id, module->build_id, (size_t)size) == 0;
    size_t bytes;
    const uint8_t *file = crc ? (const uint8_t *)elf_rawfile(elf, &bytes) : NULL;
    return file && lzma_crc32(file, bytes, 0) == *crc;
}

static bool try_file(struct tli_module *m, const char *path, const GElf_Word *crc)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    Elf *elf = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? elf_begin(fd, ELF_C_READ_MMAP, NULL) : NULL;
    if (elf && is_x86_64(elf) && belongs(elf, m->module, crc))
        return tli_elf_add(m, elf, fd, NULL);
    elf_end(elf);
    close(fd);
    return false;
}

static bool by_build_id(struct tli_module *m)
{
    const struct tl_module *module = m->module;
    char path[160] = "/usr/lib/debug/.build-id/";
    size_t length = strlen(path);
    if (module->build_id_bytes < 2)
        return false;
    for (uint32_t i = 0; i < module->build_id_bytes; i++)
        length += (size_t)snprintf(path + length, sizeof path - length, i == 0 ? "%02x/" : "%02x", module->build_id[i]);
    snprintf(path + length, sizeof path - length, ".debug");
    return try_file(m, path, NULL);
}

static void by_link(struct tli_module *m, Elf *elf, const char *label)
{
    GElf_Word crc;
    const char *name = dwelf_elf_gnu_debuglink(elf, &crc);
    const char *slash = label ? strrchr(label, '/') : NULL;
    if (!name || !*name || strchr(name, '/'))
        return;
    int folder = slash ? (int)(slash - label) : 1;
    const char *start = slash ? label : ".";
    static const char *const places[][2] = {{"", ""}, {"", "/.debug"}, {"/usr/lib/debug", ""}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char path[4096];
        int length = snprintf(path, sizeof path, "%s%.*s%s/%s", places[i][0], folder, start, places[i][1], name);
        if (length > 0 && (size_t)length < sizeof path && try_file(m, path, &crc))
            return;
    }
}

static uint8_t *decompress(const uint8_t *in, size_t in_bytes, size_t *out_bytes)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    if (lzma_stream_decoder(&stream, MINI_MEMORY_MAX, 0) != LZMA_OK)
        return NULL;
    size_t capacity = in_bytes * 4 + 4096;
    uint8_t *out = malloc(capacity);
    lzma_ret result = LZMA_OK;
    stream.next_in = in;
    stream.avail_in = in_bytes;
    while (out && result == LZMA_OK && capacity <= MINI_BYTES_MAX) {
        stream.next_out = out + stream.total_out;
        stream.avail_out = capacity - (size_t)stream.total_out;
        result = lzma_code(&stream, LZMA_FINISH);
        if (result == LZMA_OK && stream.avail_out == 0) {
            uint8_t *larger = realloc(out, capacity *= 2);
            if (!larger)
                break;
            out = larger;
        } else if (result == LZMA_OK && stream.avail_in == 0) {
            break; /* ends too early */
        }
    }
    *out_bytes = (size_t)stream.total_out;
    lzma_end(&stream);
    if (result == LZMA_STREAM_END)
        return out;
    free(out);
    return NULL;
}

static void open_mini(struct tli_module *m, Elf *elf)
{
    size_t names;
    Elf_Scn *section = NULL;
    if (elf_getshdrstrndx(elf, &names) != 0)
        return;
    while ((section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        const char *name = gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;
        Elf_Data *data = name && strcmp(name, ".gnu_debugdata") == 0 ? elf_rawdata(section, NULL) : NULL;
        size_t bytes;
        uint8_t *memory = data && data->d_buf ? decompress(data->d_buf, data->d_size, &bytes) : NULL;
        if (!memory)
            continue;
        Elf *inner = elf_memory((char *)memory, bytes);
        if (inner && is_x86_64(inner)) {
            tli_elf_add(m, inner, -1, memory);
        } else {
            elf_end(inner);
            free(memory);
        }
        return;
    }
}

void tli_debug_open(struct tli_module *m, Elf *elf, const char *label)
{
    const void *id;
    ssize_t size = dwelf_elf_gnu_build_id(elf, &id);
    if (size > 0 && (size_t)size <= sizeof m->module->build_id) {
        memcpy(m->module->build_id, id, (size_t)size);
        m->module->build_id_bytes = (uint32_t)size;
    }
    if (!by_build_id(m))
        by_link(m, elf, label);
    open_mini(m, elf);
}
