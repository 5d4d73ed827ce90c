/* SPDX-License-Identifier: MIT
 *
 * Opening a recording: its directory, its notes, and a survey of every stream, so that whoever iterates later meets
 * nothing that was not checked. Called by cli/.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <reader/stream.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SURVEY_BLOCK_BYTES 8192

/* "thread-TID", or the hidden name that a file has while its end is moved. */
static bool is_stream(const char *name, bool *hidden)
{
    size_t visible = strlen(TL_RECORDING_STREAM), out_of_sight = strlen(TL_RECORDING_NOTES ".");
    *hidden = strncmp(name, TL_RECORDING_NOTES ".", out_of_sight) == 0;
    if (!*hidden && strncmp(name, TL_RECORDING_STREAM, visible) != 0)
        return false;
    const char *number = name + (*hidden ? out_of_sight : visible);
    size_t digits = strspn(number, "0123456789");
    return digits > 0 && digits < 12 && number[digits] == '\0';
}

static bool add_thread(struct tl_trace *trace, size_t *room, const char *directory, const char *file, bool hidden,
                       char *error, size_t error_bytes)
{
    struct tl_trace_thread thread = {0};
    struct tli_stream stream;
    uint64_t where;
    memcpy(thread.file, file, strnlen(file, sizeof thread.file - 1));
    if (!tli_stream_open(&stream, trace->directory, thread.file, SURVEY_BLOCK_BYTES)) {
        snprintf(error, error_bytes, "cannot read '%s/%s'", directory, file);
        return false;
    }
    const char *wrong = tli_stream_survey(&stream, trace->uuid, hidden, &thread, &where);
    tli_stream_close(&stream);
    if (wrong) {
        snprintf(error, error_bytes, "'%s/%s' %s (at byte %llu)", directory, file, wrong, (unsigned long long)where);
        return false;
    }
    if (thread.end_bytes == 0)
        return true;
    if (trace->thread_count == *room) {
        size_t wanted = *room ? *room * 2 : 64;
        struct tl_trace_thread *threads = realloc(trace->threads, wanted * sizeof *threads);
        if (!threads) {
            snprintf(error, error_bytes, "out of memory");
            return false;
        }
        trace->threads = threads;
        *room = wanted;
    }
    trace->threads[trace->thread_count++] = thread;
    return true;
}

static int by_time(const void *left, const void *right)
{
    const struct tl_trace_thread *a = left, *b = right;
    if (a->first_time != b->first_time)
        return a->first_time < b->first_time ? -1 : 1;
    return a->tid < b->tid ? -1 : a->tid > b->tid;
}

static void add_up(struct tl_trace *trace)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < trace->thread_count; i++) {
        const struct tl_trace_thread *thread = &trace->threads[i];
        trace->events += thread->events;
        lost += thread->lost;
        trace->bytes += thread->end_bytes;
        if (i == 0 || thread->first_time < trace->first_time)
            trace->first_time = thread->first_time;
        if (thread->last_time > trace->last_time)
            trace->last_time = thread->last_time;
    }
    for (size_t i = 0; i < trace->function_count; i++)
        trace->events += trace->functions[i].calls;
    trace->lost = lost > trace->info.lost ? lost : trace->info.lost;
    if (trace->thread_count > 0)
        qsort(trace->threads, trace->thread_count, sizeof *trace->threads, by_time);
    struct stat st;
    if (fstatat(trace->directory, TL_RECORDING_NOTES, &st, 0) == 0)
        trace->bytes += (uint64_t)st.st_size;
    if (fstatat(trace->directory, TL_RECORDING_METADATA, &st, 0) == 0)
        trace->bytes += (uint64_t)st.st_size;
}

static bool read_streams(struct tl_trace *trace, const char *directory, char *error, size_t error_bytes)
{
    int fd = dup(trace->directory);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        snprintf(error, error_bytes, "cannot read '%s': %s", directory, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    size_t room = 0;
    bool fine = true, hidden;
    for (struct dirent *entry; fine && (entry = readdir(dir));) {
        if (is_stream(entry->d_name, &hidden))
            fine = add_thread(trace, &room, directory, entry->d_name, hidden, error, error_bytes);
    }
    closedir(dir);
    return fine;
}

static bool read_all(struct tl_trace *trace, const char *directory, char *error, size_t error_bytes)
{
    trace->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (trace->directory < 0) {
        if (errno == ENOENT)
            snprintf(error, error_bytes, "no recording '%s' ('trapline record' makes one, -d names another)",
                     directory);
        else if (errno == ENOTDIR)
            snprintf(error, error_bytes, "'%s' is a file; a recording is a directory", directory);
        else
            snprintf(error, error_bytes, "cannot read '%s': %s", directory, strerror(errno));
        return false;
    }
    if (!tli_notes_read(trace, directory, error, error_bytes) || !read_streams(trace, directory, error, error_bytes))
        return false;
    add_up(trace);
    return true;
}

struct tl_trace *tl_trace_open(const char *directory, char *error, size_t error_bytes)
{
    struct tl_trace *trace = calloc(1, sizeof *trace);
    snprintf(error, error_bytes, "out of memory");
    if (!trace)
        return NULL;
    if (read_all(trace, directory, error, error_bytes))
        return trace;
    tl_trace_close(trace);
    return NULL;
}

void tl_trace_close(struct tl_trace *trace)
{
    if (!trace)
        return;
    if (trace->directory >= 0)
        close(trace->directory);
    for (size_t i = 0; i < trace->module_count; i++) {
        free(trace->modules[i].name);
        free(trace->modules[i].path);
        free(trace->modules[i].build_id);
    }
    for (size_t i = 0; i < trace->function_count; i++)
        free(trace->functions[i].name);
    free(trace->modules);
    free(trace->functions);
    free(trace->threads);
    free(trace->info.command);
    free(trace);
}

uint64_t tl_trace_ns(const struct tl_trace *trace, uint64_t ticks)
{
    return (uint64_t)((unsigned __int128)ticks * 1000000000u / trace->info.tsc_hz);
}

uint64_t tl_trace_ticks(const struct tl_trace *trace, uint64_t ns)
{
    /* Rounded up: a call of exactly that many ns is long enough. */
    return (uint64_t)(((unsigned __int128)ns * trace->info.tsc_hz + 999999999u) / 1000000000u);
}

uint64_t tl_trace_threads(const struct tl_trace *trace)
{
    return trace->info.counted ? trace->info.threads : trace->thread_count;
}

uint64_t tl_trace_duration_ns(const struct tl_trace *trace)
{
    if (trace->info.tsc_end > trace->info.tsc_start)
        return tl_trace_ns(trace, trace->info.tsc_end - trace->info.tsc_start);
    uint64_t first =
        trace->info.tsc_start && trace->info.tsc_start < trace->first_time ? trace->info.tsc_start : trace->first_time;
    return tl_trace_ns(trace, trace->last_time - first);
}
