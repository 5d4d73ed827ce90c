/* SPDX-License-Identifier: MIT
 *
 * The directory of a recording: making it, and keeping the one that was there as DIR.old. Deletes nothing but an older
 * recording, and that only when every file in it is one of ours. Called by writer/ctf.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <writer/ctf.h>

enum kind { KIND_ABSENT, KIND_EMPTY, KIND_RECORDING, KIND_FOREIGN };

static bool is_ours(const char *name)
{
    return strcmp(name, TL_RECORDING_METADATA) == 0 || strncmp(name, TL_RECORDING_NOTES, 9) == 0 ||
           strncmp(name, TL_RECORDING_STREAM, strlen(TL_RECORDING_STREAM)) == 0;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool has_notes(int directory)
{
    char head[sizeof TL_RECORDING_NOTES_HEAD] = "";
    int fd = openat(directory, TL_RECORDING_NOTES, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, head, sizeof head - 1);
    close(fd);
    return got == (ssize_t)sizeof head - 1 && strcmp(head, TL_RECORDING_NOTES_HEAD) == 0;
}

/* A symbolic link counts as foreign: what it leads to is somebody else's to move. */
static enum kind look(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? KIND_ABSENT : KIND_FOREIGN;
    DIR *dir = S_ISDIR(st.st_mode) ? opendir(path) : NULL;
    if (!dir)
        return KIND_FOREIGN;
    enum kind kind = KIND_EMPTY;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (is_dots(entry->d_name))
            continue;
        kind = KIND_RECORDING;
        if (!is_ours(entry->d_name)) {
            kind = KIND_FOREIGN;
            break;
        }
    }
    if (kind == KIND_RECORDING && !has_notes(dirfd(dir)))
        kind = KIND_FOREIGN;
    closedir(dir);
    return kind;
}

/* path was looked at: nothing in it but our files. */
static int delete_recording(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return -errno;
    int error = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (is_ours(entry->d_name) && unlinkat(dirfd(dir), entry->d_name, 0) != 0 && error == 0)
            error = -errno;
    }
    closedir(dir);
    if (error == 0 && rmdir(path) != 0)
        error = -errno;
    return error;
}

static int keep_as_old(const char *path)
{
    size_t length = strlen(path);
    char *old = malloc(length + sizeof ".old");
    if (!old)
        return -ENOMEM;
    memcpy(old, path, length);
    memcpy(old + length, ".old", sizeof ".old");
    enum kind kind = look(old);
    int error = kind == KIND_FOREIGN ? -EEXIST : kind == KIND_ABSENT ? 0 : delete_recording(old);
    if (error == 0 && rename(path, old) != 0)
        error = -errno;
    free(old);
    return error;
}

/* A copy without slashes at the end, or NULL. */
static char *without_slashes(const char *directory)
{
    char *path = strdup(directory);
    for (size_t end = path ? strlen(path) : 0; end > 1 && path[end - 1] == '/';)
        path[--end] = '\0';
    return path;
}

/* Who may make a directory beside it may move and make this one. */
int tli_ctf_directory_check(const char *directory)
{
    char *path = without_slashes(directory), *beside = NULL;
    int error = 0;
    if (!path || asprintf(&beside, "%s.%d", path, (int)getpid()) < 0) {
        free(path);
        return -ENOMEM;
    }
    enum kind kind = look(path);
    if (kind == KIND_FOREIGN)
        error = -EEXIST;
    else if (kind == KIND_EMPTY)
        error = faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) == 0 ? 0 : -errno;
    else if (mkdir(beside, 0777) != 0)
        error = -errno;
    else
        rmdir(beside);
    free(beside);
    free(path);
    return error;
}

int tli_ctf_directory_make(const char *directory)
{
    char *path = without_slashes(directory);
    if (!path)
        return -ENOMEM;
    enum kind kind = look(path);
    int result = kind == KIND_FOREIGN ? -EEXIST : kind == KIND_RECORDING ? keep_as_old(path) : 0;
    if (result == 0 && kind != KIND_EMPTY && mkdir(path, 0777) != 0)
        result = -errno;
    if (result == 0) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        result = fd >= 0 ? fd : -errno;
    }
    free(path);
    return result;
}
