/* SPDX-License-Identifier: MIT
 *
 * Whether the text in memory is the files': looked at before a process is traced, since another may have written there,
 * and again after it was. Only pages that the process has for itself are read: the others are the file's own. Called by
 * session.c.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <tracer/modules.h>
#include <tracer/process.h>
#include <unistd.h>

#define PAGE 4096u
#define PAGES_AT_ONCE 512
#define OTHER_PART 64 /* a module of whose text more than this part differs from the file is not that file */

/* Bytes of the page at address that are not the file's. */
static uint64_t compare_page(int memory, int file, const struct tl_mapping *mapping, uint64_t address, uint64_t *where)
{
    uint8_t here[PAGE], there[PAGE] = {0};
    uint64_t differ = 0;
    if (!tl_memory_read(memory, address, here, PAGE) ||
        pread(file, there, PAGE, (off_t)(mapping->offset + (address - mapping->start))) < 0 ||
        memcmp(here, there, PAGE) == 0)
        return 0;
    for (size_t i = 0; i < PAGE; i++)
        if (here[i] != there[i] && differ++ == 0)
            *where = address + i;
    return differ;
}

/* The process's own copy of a page, or what it was swapped out to. Bits 61 to 63 of a word of /proc/PID/pagemap: of a
 * file; swapped; present. */
static bool is_own(uint64_t word)
{
    return word >> 62 && !(word >> 61 & 1);
}

/* Bytes of one mapping that are not the file's. Where the kernel does not say whose its pages are, all are read. */
static uint64_t compare(int memory, int pages, int file, const struct tl_mapping *mapping, uint64_t *where)
{
    uint64_t words[PAGES_AT_ONCE], differ = 0;
    for (uint64_t at = mapping->start; at < mapping->end; at += sizeof(words) / 8 * PAGE) {
        uint64_t count = (mapping->end - at) / PAGE;
        count = count < PAGES_AT_ONCE ? count : PAGES_AT_ONCE;
        bool said = pages >= 0 && pread(pages, words, count * 8, (off_t)(at / PAGE * 8)) == (ssize_t)(count * 8);
        for (uint64_t i = 0; i < count; i++) {
            uint64_t here = 0, more = 0;
            if (!said || is_own(words[i]))
                more = compare_page(memory, file, mapping, at + i * PAGE, &here);
            if (more && !differ)
                *where = here;
            differ += more;
        }
    }
    return differ;
}

/* The same of all mappings of a module; *bytes: how many were looked at. */
static uint64_t compare_module(const struct tl_modules *modules, const struct tl_maps *maps, int memory,
                               const struct tl_loaded *loaded, uint64_t *where, uint64_t *bytes)
{
    uint64_t differ = 0;
    char pagemap[64];
    snprintf(pagemap, sizeof(pagemap), "/proc/%d/pagemap", (int)modules->pid);
    int pages = open(pagemap, O_RDONLY | O_CLOEXEC);
    *bytes = 0;
    for (size_t i = 0; i < maps->count && loaded->module; i++) {
        const struct tl_mapping *mapping = &maps->entry[i];
        uint64_t here = 0;
        char path[4200];
        if (!mapping->executable || mapping->inode != loaded->inode || strcmp(mapping->path, loaded->path) != 0 ||
            !tl_process_file(modules->pid, mapping, path, sizeof(path)))
            continue;
        int file = open(path, O_RDONLY | O_CLOEXEC);
        uint64_t more = file >= 0 ? compare(memory, pages, file, mapping, &here) : 0;
        if (file >= 0)
            close(file);
        if (differ == 0)
            *where = here;
        differ += more;
        *bytes += mapping->end - mapping->start;
    }
    if (pages >= 0)
        close(pages);
    return differ;
}

bool tl_modules_settle(struct tl_modules *modules, int memory, char *reason, size_t size)
{
    struct tl_maps maps;
    bool left = false;
    uint64_t where, bytes;
    if (!tl_maps_read(modules->pid, &maps)) {
        snprintf(reason, size, "process %d has ended", (int)modules->pid);
        return false;
    }
    for (size_t i = 0; i < modules->count; i++) {
        struct tl_loaded *loaded = &modules->entry[i];
        if (!loaded->fresh)
            continue;
        loaded->differ = compare_module(modules, &maps, memory, loaded, &where, &bytes);
        if (loaded->selected && loaded->differ > bytes / OTHER_PART) {
            snprintf(reason, size, "'%s' is not traced: %" PRIu64 " bytes of its text in memory are not the file's",
                     loaded->path, loaded->differ);
            fprintf(stderr, "trapline: %s\n", reason);
            loaded->selected = false;
        }
        left |= loaded->selected;
    }
    tl_maps_free(&maps);
    return left;
}

uint64_t tl_modules_verify(const struct tl_modules *modules, int memory, const struct tl_loaded **which,
                           uint64_t *where)
{
    struct tl_maps maps;
    uint64_t differ = 0, bytes;
    if (!tl_maps_read(modules->pid, &maps))
        return 0;
    for (size_t i = 0; i < modules->count && !differ; i++) {
        *which = &modules->entry[i];
        differ = compare_module(modules, &maps, memory, *which, where, &bytes);
        if (differ == (*which)->differ)
            differ = 0;
    }
    tl_maps_free(&maps);
    return differ;
}
