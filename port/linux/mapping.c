/* SPDX-License-Identifier: MIT
 *
 * Puts a page of text that was replaced (text.c, tli_text_swap) back as the file's own page, so that nothing of it is
 * left in /proc/PID/maps. Run by the agent's thread, when it leaves.
 */
#include <port/linux/linux.h>
#include <syscall.h>
#include <trapline/port.h>

struct mapping {
    uintptr_t start, end, offset;
    uint64_t inode;
    const char *path; /* "" for none */
};

static const char *hexadecimal(const char *text, uintptr_t *value)
{
    for (*value = 0;; text++) {
        if (*text >= '0' && *text <= '9')
            *value = *value << 4 | (uintptr_t)(*text - '0');
        else if (*text >= 'a' && *text <= 'f')
            *value = *value << 4 | (uintptr_t)(*text - 'a' + 10);
        else
            return text;
    }
}

static const char *skip_word(const char *text)
{
    while (*text && *text != ' ')
        text++;
    while (*text == ' ')
        text++;
    return text;
}

/* One line of /proc/self/maps: start-end perms offset dev inode path. */
static struct mapping parse(const char *line)
{
    struct mapping mapping = {0};
    const char *at = hexadecimal(line, &mapping.start);
    at = hexadecimal(at + 1, &mapping.end);
    at = hexadecimal(skip_word(skip_word(at)), &mapping.offset);
    at = skip_word(skip_word(at));
    for (; *at >= '0' && *at <= '9'; at++)
        mapping.inode = mapping.inode * 10 + (uint64_t)(*at - '0');
    while (*at == ' ')
        at++;
    mapping.path = at;
    return mapping;
}

/* True if line is of a file's mapping that ends at page or starts at end. */
static bool neighbour(const char *line, uintptr_t page, uintptr_t end, struct mapping *found)
{
    struct mapping mapping = parse(line);
    if (mapping.path[0] != '/' || (mapping.end != page && mapping.start != end))
        return false;
    *found = mapping;
    return true;
}

/* Finds the neighbour in /proc/self/maps; its path stays in line. */
static bool find(uintptr_t page, uintptr_t end, char *line, size_t room, struct mapping *found)
{
    static char text[4096];
    int fd = (int)tl_syscall4(TL_SYS_OPENAT, TLI_AT_FDCWD, "/proc/self/maps", TLI_O_CLOEXEC, 0);
    size_t length = 0;
    bool hit = false;
    long got;
    while (fd >= 0 && !hit && (got = tl_syscall3(TL_SYS_READ, fd, text, sizeof(text))) > 0) {
        for (long i = 0; i < got && !hit; i++) {
            if (text[i] != '\n') {
                if (length + 1 < room)
                    line[length++] = text[i];
                continue;
            }
            line[length] = 0;
            length = 0;
            hit = neighbour(line, page, end, found);
        }
    }
    if (fd >= 0)
        tl_syscall1(TL_SYS_CLOSE, fd);
    return hit;
}

/* True if size bytes of the file at offset are those at address but for the part that the site covers, where they are
 * from. */
static bool same(int fd, uintptr_t offset, uintptr_t page, size_t size, uintptr_t address, const uint8_t *from,
                 size_t from_size)
{
    uint8_t file[512], text[512];
    for (size_t done = 0; done < size; done += sizeof(file)) {
        if (tl_syscall4(TL_SYS_PREAD64, fd, file, sizeof(file), offset + done) != (long)sizeof(file) ||
            tl_port_text_read(page + done, text, sizeof(text)) != TL_OK)
            return false;
        for (size_t i = 0; i < sizeof(file); i++) {
            uintptr_t here = page + done + i;
            uint8_t wanted = here >= address && here < address + from_size ? from[here - address] : text[i];
            if (file[i] != wanted)
                return false;
        }
    }
    return true;
}

bool tli_mapping_restore(uintptr_t address, const void *from, size_t size)
{
    static char line[4200];
    uintptr_t page = address & ~(uintptr_t)(TLI_PAGE - 1);
    uintptr_t end = (address + size + TLI_PAGE - 1) & ~(uintptr_t)(TLI_PAGE - 1);
    struct mapping near;
    if (!find(page, end, line, sizeof(line), &near))
        return false;
    uintptr_t offset = near.offset + (page - near.start);
    int fd = (int)tl_syscall4(TL_SYS_OPENAT, TLI_AT_FDCWD, near.path, TLI_O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    uint64_t stat[18]; /* struct stat; the second word is the inode */
    bool done = tl_syscall2(TL_SYS_FSTAT, fd, stat) == 0 && stat[1] == near.inode &&
                same(fd, offset, page, end - page, address, from, size) &&
                tl_syscall6(TL_SYS_MMAP, (long)page, (long)(end - page), TLI_PROT_READ | TLI_PROT_EXEC,
                            TLI_MAP_PRIVATE | TLI_MAP_FIXED, fd, (long)offset) == (long)page;
    tl_syscall1(TL_SYS_CLOSE, fd);
    return done;
}
