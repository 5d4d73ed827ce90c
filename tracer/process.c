/* SPDX-License-Identifier: MIT
 *
 * Reading /proc. See process.h.
 */
#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <tracer/process.h>
#include <unistd.h>

static bool parse_mapping(char *line, struct tl_mapping *mapping)
{
    char permissions[8];
    int path = 0;
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %*s %" SCNu64 " %n", &mapping->start, &mapping->end,
               permissions, &mapping->offset, &mapping->inode, &path) < 5)
        return false;
    mapping->readable = permissions[0] == 'r';
    mapping->writable = permissions[1] == 'w';
    mapping->executable = permissions[2] == 'x';
    mapping->shared = permissions[3] == 's';
    line[strcspn(line, "\n")] = 0;
    mapping->path = strdup(path ? line + path : "");
    return mapping->path != NULL;
}

bool tl_maps_read(pid_t pid, struct tl_maps *maps)
{
    char path[64];
    char *line = NULL;
    size_t room = 0, entries = 0;
    *maps = (struct tl_maps){0};
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    while (getline(&line, &room, file) > 0) {
        if (maps->count == entries) {
            entries = entries ? 2 * entries : 64;
            struct tl_mapping *more = realloc(maps->entry, entries * sizeof(*more));
            if (!more)
                break;
            maps->entry = more;
        }
        if (parse_mapping(line, &maps->entry[maps->count]))
            maps->count++;
    }
    free(line);
    fclose(file);
    return true;
}

void tl_maps_free(struct tl_maps *maps)
{
    for (size_t i = 0; i < maps->count; i++)
        free(maps->entry[i].path);
    free(maps->entry);
    *maps = (struct tl_maps){0};
}

pid_t *tl_process_threads(pid_t pid, size_t *count)
{
    char path[64];
    size_t room = 0;
    pid_t *threads = NULL;
    *count = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *directory = opendir(path);
    if (!directory)
        return NULL;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        if (*count == room) {
            room = room ? 2 * room : 16;
            pid_t *more = realloc(threads, room * sizeof(*more));
            if (!more)
                break;
            threads = more;
        }
        threads[(*count)++] = (pid_t)strtol(entry->d_name, NULL, 10);
    }
    closedir(directory);
    return threads;
}

bool tl_process_same_namespace(pid_t pid)
{
    int64_t inside = tl_process_number(pid, 0, "NSpid", 10);
    return inside < 0 || inside == (int64_t)pid; /* kernels without namespaces do not say */
}

bool tl_process_thread_ended(pid_t pid, pid_t tid)
{
    return syscall(SYS_tgkill, pid, tid, 0) != 0 && errno == ESRCH;
}

pid_t tl_process_thread(pid_t pid, uint32_t tid)
{
    enum { LOOKS = 3 }; /* one may leave a living thread out */
    pid_t found = 0;
    if (tl_process_same_namespace(pid))
        return tl_process_thread_ended(pid, (pid_t)tid) ? 0 : (pid_t)tid;
    for (int look = 0; look < LOOKS && !found; look++) {
        size_t count;
        pid_t *threads = tl_process_threads(pid, &count);
        for (size_t i = 0; i < count && !found; i++)
            if (tl_process_number(pid, threads[i], "NSpid", 10) == (int64_t)tid)
                found = threads[i];
        free(threads);
    }
    return found;
}

/* The text behind "name:" in the status file, cut at the end of the line. */
static bool status_line(pid_t pid, pid_t tid, const char *name, char *text, size_t size)
{
    char path[96], line[512];
    size_t length = strlen(name);
    bool found = false;
    if (tid)
        snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)pid, (int)tid);
    else
        snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    while (!found && fgets(line, sizeof(line), file)) {
        if (strncmp(line, name, length) != 0 || line[length] != ':')
            continue;
        char *value = line + length + 1;
        value += strspn(value, " \t");
        value[strcspn(value, "\n")] = 0;
        snprintf(text, size, "%s", value);
        found = true;
    }
    fclose(file);
    return found;
}

int64_t tl_process_number(pid_t pid, pid_t tid, const char *name, int base)
{
    char text[512];
    if (!status_line(pid, tid, name, text, sizeof(text)))
        return -1;
    char *last = strrchr(text, '\t');
    return (int64_t)strtoull(last ? last + 1 : text, NULL, base);
}

char tl_process_state(pid_t pid, pid_t tid)
{
    char text[64];
    return status_line(pid, tid, "State", text, sizeof(text)) ? text[0] : 0;
}

void tl_process_comm(pid_t pid, pid_t tid, char *comm, size_t size)
{
    if (!status_line(pid, tid, "Name", comm, size))
        snprintf(comm, size, "?");
}

void tl_process_refusal(pid_t pid, pid_t tid, int error, char *reason, size_t size)
{
    int scope = 0, length = snprintf(reason, size, "cannot attach to %d: ", (int)pid);
    FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
    if (file) {
        if (fscanf(file, "%d", &scope) != 1)
            scope = 0;
        fclose(file);
    }
    reason += length;
    size -= (size_t)length;
    bool denied = error == EPERM || error == EACCES;
    int64_t tracer = tl_process_number(pid, tid, "TracerPid", 10);
    if (denied && tracer > 0) {
        char comm[64];
        tl_process_comm((pid_t)tracer, 0, comm, sizeof(comm));
        snprintf(reason, size, "it is being traced by %d (%s); detach that first", (int)tracer, comm);
    } else if (denied && scope > 0) {
        snprintf(reason, size,
                 "ptrace is refused (kernel.yama.ptrace_scope is %d); run as root, or start the program with 'trapline "
                 "record'",
                 scope);
    } else if (denied) {
        snprintf(reason, size,
                 "ptrace is refused; run as its owner or as root, or start the program with 'trapline record'");
    } else {
        snprintf(reason, size, "%s", error == ESRCH || error == ENOENT ? "it ended" : strerror(error));
    }
}

int tl_process_memory(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    return open(path, O_RDWR | O_CLOEXEC);
}

bool tl_memory_read(int fd, uint64_t address, void *to, size_t size)
{
    return pread(fd, to, size, (off_t)address) == (ssize_t)size;
}

bool tl_memory_write(int fd, uint64_t address, const void *from, size_t size)
{
    return pwrite(fd, from, size, (off_t)address) == (ssize_t)size;
}

bool tl_process_file(pid_t pid, const struct tl_mapping *mapping, char *path, size_t size)
{
    static const char *const forms[] = {"root%s", "exe", "map_files/%s"};
    char range[64];
    snprintf(range, sizeof(range), "%" PRIx64 "-%" PRIx64, mapping->start, mapping->end);
    for (int i = 0; i < 3; i++) {
        struct stat file;
        int used = snprintf(path, size, "/proc/%d/", (int)pid);
        snprintf(path + used, size - (size_t)used, forms[i], i == 0 ? mapping->path : range);
        if (stat(path, &file) == 0 && file.st_ino == mapping->inode && access(path, R_OK) == 0)
            return true;
    }
    return false;
}

bool tl_process_check_program(pid_t pid, char *reason, size_t size)
{
    char path[64];
    unsigned char header[20] = {0};
    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT)
            snprintf(reason, size, "it is a kernel thread, or on its way out");
        else
            snprintf(reason, size, "its program cannot be read (%s); run as its owner or as root", strerror(errno));
        return false;
    }
    ssize_t got = read(fd, header, sizeof(header));
    close(fd);
    int machine = header[18] | header[19] << 8;
    if (got != sizeof(header) || memcmp(header, ELFMAG, SELFMAG) != 0) {
        snprintf(reason, size, "its program is not an ELF file");
        return false;
    }
    if (header[EI_CLASS] != ELFCLASS64 || machine != EM_X86_64) {
        snprintf(reason, size, "it is %s program; only x86-64 can be traced",
                 machine == EM_386      ? "an i386"
                 : machine == EM_X86_64 ? "an x32"
                                        : "a foreign");
        return false;
    }
    return true;
}

bool tl_process_check(pid_t pid, char *reason, size_t size)
{
    char state = tl_process_state(pid, 0);
    if (state == 0) {
        snprintf(reason, size, "cannot attach to %d: there is no such process", (int)pid);
        return false;
    }
    if (state == 'Z' || state == 'X') {
        snprintf(reason, size, "cannot attach to %d: it has ended (a zombie that its parent has not waited for)",
                 (int)pid);
        return false;
    }
    if (state == 'T') {
        snprintf(reason, size, "cannot attach to %d: it is stopped; let it run first (kill -CONT %d)", (int)pid,
                 (int)pid);
        return false;
    }
    if (pid == getpid()) {
        snprintf(reason, size, "cannot attach to %d: that is trapline itself", (int)pid);
        return false;
    }
    int64_t tracer = tl_process_number(pid, 0, "TracerPid", 10);
    if (tracer > 0) {
        char comm[64];
        tl_process_comm((pid_t)tracer, 0, comm, sizeof(comm));
        snprintf(reason, size, "cannot attach to %d: it is being traced by %d (%s); detach that first", (int)pid,
                 (int)tracer, comm);
        return false;
    }
    char why[256];
    if (!tl_process_check_program(pid, why, sizeof(why))) {
        snprintf(reason, size, "cannot attach to %d: %s", (int)pid, why);
        return false;
    }
    return true;
}
