/* SPDX-License-Identifier: MIT
 *
 * From what the user names, a process or a file, to the files to be read. They are opened through /proc, so that
 * programs in containers and files that were deleted are the right ones. Called by list.c.
 */
#include <cli/list.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool add(struct tl_list_files *out, const char *path, const char *label)
{
    struct tl_list_file *grown = reallocarray(out->files, out->count + 1, sizeof *grown);
    if (!grown)
        return false;
    out->files = grown;
    struct tl_list_file *file = &out->files[out->count];
    file->path = strdup(path);
    file->label = strdup(label);
    out->count++;
    return file->path && file->label;
}

void tl_list_files_free(struct tl_list_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->files[i].path);
        free(files->files[i].label);
    }
    free(files->files);
    *files = (struct tl_list_files){0};
}

static char process_state(long pid)
{
    char path[64], line[256], state = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", pid);
    FILE *status = fopen(path, "re");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "State: %c", &state) == 1)
            break;
    if (status)
        fclose(status);
    return state;
}

static void cut_deleted(char *path)
{
    static const char mark[] = " (deleted)";
    size_t length = strlen(path);
    if (length > sizeof mark - 1 && strcmp(path + length - (sizeof mark - 1), mark) == 0)
        path[length - (sizeof mark - 1)] = 0;
}

static bool add_executable(struct tl_list_files *out, long pid, char *error, size_t bytes)
{
    char exe[64], label[4096];
    snprintf(exe, sizeof exe, "/proc/%ld/exe", pid);
    ssize_t length = readlink(exe, label, sizeof label - 1);
    if (length < 0) {
        int reason = errno;
        char state = process_state(pid);
        if (!state)
            snprintf(error, bytes, "there is no process %ld", pid);
        else if (state == 'Z')
            snprintf(error, bytes, "process %ld has ended already: it is a zombie", pid);
        else if (reason == ENOENT)
            snprintf(error, bytes, "process %ld is a kernel thread, it has no program", pid);
        else
            snprintf(error, bytes, "cannot look at process %ld: %s; try as root", pid, strerror(reason));
        return false;
    }
    label[length] = 0;
    cut_deleted(label);
    return add(out, exe, label);
}

struct mapping {
    uint64_t start, end, inode;
    unsigned major, minor;
    char execute;
    char *path;
};

static bool parse_mapping(char *line, struct mapping *mapping)
{
    int at = 0;
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*c%*c%c%*c %*x %x:%x %" SCNu64 " %n", &mapping->start, &mapping->end,
               &mapping->execute, &mapping->major, &mapping->minor, &mapping->inode, &at) < 6)
        return false;
    mapping->path = line + at;
    mapping->path[strcspn(mapping->path, "\n")] = 0;
    return mapping->execute == 'x' && mapping->inode && mapping->path[0] == '/' &&
           strncmp(mapping->path, "/memfd:", 7) != 0;
}

/* map_files is exact but for privileged users only; the path inside the process's root serves all others. */
static bool add_mapping(struct tl_list_files *out, long pid, const struct mapping *mapping)
{
    char path[4352];
    snprintf(path, sizeof path, "/proc/%ld/map_files/%" PRIx64 "-%" PRIx64, pid, mapping->start, mapping->end);
    cut_deleted(mapping->path);
    if (access(path, R_OK) != 0)
        snprintf(path, sizeof path, "/proc/%ld/root%s", pid, mapping->path);
    return add(out, path, mapping->path);
}

static bool add_libraries(struct tl_list_files *out, long pid, char *error, size_t bytes)
{
    char path[64], *line = NULL;
    size_t capacity = 0;
    bool ok = true;
    snprintf(path, sizeof path, "/proc/%ld/maps", pid);
    FILE *maps = fopen(path, "re");
    if (!maps) {
        snprintf(error, bytes, "cannot read the mappings of process %ld: %s", pid, strerror(errno));
        return false;
    }
    while (ok && getline(&line, &capacity, maps) > 0) {
        struct mapping mapping;
        bool known = false;
        if (!parse_mapping(line, &mapping))
            continue;
        cut_deleted(mapping.path);
        for (size_t i = 0; i < out->count && !known; i++)
            known = strcmp(out->files[i].label, mapping.path) == 0;
        ok = known || add_mapping(out, pid, &mapping);
    }
    free(line);
    fclose(maps);
    if (!ok)
        snprintf(error, bytes, "out of memory");
    return ok;
}

/* A name without a slash that is no file here is looked for where the shell would. */
static bool on_search_path(const char *name, char *path, size_t bytes)
{
    const char *list = getenv("PATH");
    while (list && *list) {
        size_t length = strcspn(list, ":");
        struct stat status;
        int written = snprintf(path, bytes, "%.*s/%s", (int)length, list, name);
        if (length && written > 0 && (size_t)written < bytes && stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
            access(path, X_OK) == 0)
            return true;
        list += length + (list[length] == ':');
    }
    return false;
}

bool tl_list_files_find(struct tl_list_files *out, const char *target, bool libs, char *error, size_t error_bytes)
{
    char path[4096];
    *out = (struct tl_list_files){0};
    if (*target && strspn(target, "0123456789") == strlen(target)) {
        errno = 0;
        long pid = strtol(target, NULL, 10);
        if (errno || pid <= 0 || pid > INT32_MAX) {
            snprintf(error, error_bytes, "'%s' is no process id", target);
            return false;
        }
        return add_executable(out, pid, error, error_bytes) && (!libs || add_libraries(out, pid, error, error_bytes));
    }
    if (libs) {
        snprintf(error, error_bytes,
                 "which libraries '%s' uses is known only while it runs; give --libs with a process id", target);
        return false;
    }
    bool plain = strchr(target, '/') || access(target, F_OK) == 0 || !on_search_path(target, path, sizeof path);
    if (add(out, plain ? target : path, plain ? target : path))
        return true;
    snprintf(error, error_bytes, "out of memory");
    return false;
}
