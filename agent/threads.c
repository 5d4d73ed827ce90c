/* SPDX-License-Identifier: MIT
 *
 * What /proc says of the process's threads, read without a libc. Run by the agent's thread.
 */
#include <agent/agent.h>
#include <port/linux/linux.h>
#include <syscall.h>
#include <trapline/port.h>

struct entry { /* struct linux_dirent64 */
    uint64_t inode, offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

static int open_path(const char *path)
{
    return (int)tl_syscall4(TL_SYS_OPENAT, TLI_AT_FDCWD, path, TLI_O_CLOEXEC, 0);
}

/* Reads a file of /proc into text, ends it with a zero. */
static bool read_path(const char *path, char *text, size_t room)
{
    int fd = open_path(path);
    if (fd < 0)
        return false;
    size_t size = 0;
    long got;
    while (size + 1 < room && (got = tl_syscall3(TL_SYS_READ, fd, text + size, room - 1 - size)) > 0)
        size += (size_t)got;
    text[size] = 0;
    tl_syscall1(TL_SYS_CLOSE, fd);
    return size != 0;
}

/* The text behind "name:" at the start of a line, or NULL. */
static const char *field(const char *text, const char *name)
{
    for (const char *line = text; *line;) {
        size_t i = 0;
        while (name[i] && line[i] == name[i])
            i++;
        if (!name[i] && line[i] == ':') {
            for (i++; line[i] == ' ' || line[i] == '\t';)
                i++;
            return line + i;
        }
        while (*line && *line != '\n')
            line++;
        if (*line)
            line++;
    }
    return 0;
}

static uint64_t hexadecimal(const char *text)
{
    uint64_t value = 0;
    for (; text; text++) {
        if (*text >= '0' && *text <= '9')
            value = value << 4 | (uint64_t)(*text - '0');
        else if (*text >= 'a' && *text <= 'f')
            value = value << 4 | (uint64_t)(*text - 'a' + 10);
        else
            break;
    }
    return value;
}

static uint32_t decimal(const char *text)
{
    uint32_t value = 0;
    for (; text && *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (uint32_t)(*text - '0');
    return value;
}

/* The thread's id as it knows it itself, the last on the line; /proc may be another pid namespace's. */
static uint32_t own_id(const char *status, uint32_t listed)
{
    const char *text = field(status, "NSpid");
    uint32_t id = listed;
    while (text && *text >= '0' && *text <= '9') {
        id = decimal(text);
        while (*text >= '0' && *text <= '9')
            text++;
        while (*text == ' ' || *text == '\t')
            text++;
    }
    return id;
}

static void append(char *to, const char *text)
{
    while (*to)
        to++;
    while ((*to++ = *text++))
        ;
}

/* The first thread but ours whose signal set called name holds one of our signals, or 0. */
static uint32_t thread_with(const char *name)
{
    static char names[4096], status[4096]; /* one agent thread */
    uint32_t found = 0, self = tl_port_thread_id();
    int directory = open_path("/proc/self/task");
    if (directory < 0)
        return 0;
    long size;
    while (!found && (size = tl_syscall3(TL_SYS_GETDENTS64, directory, names, sizeof(names))) > 0) {
        for (long at = 0; at < size && !found;) {
            const struct entry *entry = (const struct entry *)(names + at);
            at += entry->size;
            uint32_t id = decimal(entry->name);
            if (id == 0)
                continue;
            char path[64] = "/proc/self/task/";
            append(path, entry->name);
            append(path, "/status");
            if (!read_path(path, status, sizeof(status)))
                continue;
            id = own_id(status, id);
            if (id != self && (hexadecimal(field(status, name)) & TLI_OUR_SIGNALS))
                found = id;
        }
    }
    tl_syscall1(TL_SYS_CLOSE, directory);
    return found;
}

uint32_t tli_agent_blocked_thread(void)
{
    uint32_t id = 0;
    for (int i = 0; i < 50; i++) {
        id = thread_with("SigBlk");
        if (id == 0)
            break;
        tli_sleep(1000000);
    }
    return id;
}

bool tli_agent_signal_pending(void)
{
    return thread_with("SigPnd") != 0;
}

bool tli_agent_alone(void)
{
    static char status[4096];
    if (!read_path("/proc/self/status", status, sizeof(status)))
        return false;
    const char *state = field(status, "State");
    /* The first thread stays in the count as a zombie until the last one ends. */
    return state && *state == 'Z' && decimal(field(status, "Threads")) <= 2;
}
