/* SPDX-License-Identifier: MIT
 *
 * The stream of one thread: reading it in blocks, checking each packet's head, handing out its events in runs. No
 * text, no meaning of events. Called by reader/trace.c, and by cli/ through trace.h.
 */
#include <fcntl.h>
#include <reader/stream.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool tli_stream_open(struct tli_stream *stream, int directory, const char *name, size_t block_bytes)
{
    struct stat st;
    memset(stream, 0, sizeof *stream);
    if (fstatat(directory, name, &st, 0) != 0 || !S_ISREG(st.st_mode))
        return false;
    stream->directory = directory;
    stream->name = name;
    stream->file_bytes = (uint64_t)st.st_size;
    stream->room = block_bytes;
    stream->buffer = malloc(block_bytes);
    return stream->buffer != NULL;
}

void tli_stream_close(struct tli_stream *stream)
{
    free(stream->buffer);
    stream->buffer = NULL;
}

static void fill(struct tli_stream *stream, uint64_t offset)
{
    stream->start = offset;
    stream->filled = 0;
    int fd = openat(stream->directory, stream->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return;
    while (stream->filled < stream->room) {
        ssize_t got =
            pread(fd, stream->buffer + stream->filled, stream->room - stream->filled, (off_t)(offset + stream->filled));
        if (got <= 0)
            break;
        stream->filled += (size_t)got;
    }
    close(fd);
}

/* At least min_bytes at offset, more if the buffer holds more; *bytes says how many. offset is a multiple of 8, and so
 * is the address. NULL when the file cannot be read or ends before. */
static const void *bytes_at(struct tli_stream *stream, uint64_t offset, size_t min_bytes, size_t *bytes)
{
    if (offset > stream->file_bytes || stream->file_bytes - offset < min_bytes)
        return NULL;
    if (offset < stream->start || offset - stream->start + min_bytes > stream->filled)
        fill(stream, offset);
    if (stream->filled - (size_t)(offset - stream->start) < min_bytes)
        return NULL;
    *bytes = stream->filled - (size_t)(offset - stream->start);
    return stream->buffer + (offset - stream->start);
}

/* Reads the packet's head at offset. NULL: fine; else what is wrong with it, as the end of a sentence. */
static const char *head_at(struct tli_stream *stream, const uint8_t uuid[16], uint64_t offset,
                           struct tl_stream_packet *head)
{
    size_t bytes;
    const void *at = bytes_at(stream, offset, sizeof *head, &bytes);
    if (!at)
        return "is truncated inside the head of a packet";
    memcpy(head, at, sizeof *head);
    if (head->magic != TL_STREAM_MAGIC)
        return "is corrupt: no packet begins";
    if (memcmp(head->uuid, uuid, 16) != 0)
        return "belongs to another recording";
    uint64_t size = head->packet_size, content = head->content_size;
    if (head->stream_id != 0 || content < sizeof *head * 8 || content % 64 != 0 || size < content || size % 64 != 0)
        return "is corrupt: a packet has impossible sizes";
    if (content / 8 > stream->file_bytes - offset)
        return "is truncated inside a packet";
    if (head->timestamp_begin > head->timestamp_end || head->timestamp_begin >> 62)
        return "is corrupt: a packet has impossible times";
    return NULL;
}

static bool all_zero(const struct tl_stream_packet *head)
{
    static const struct tl_stream_packet zero;
    return memcmp(head, &zero, sizeof zero) == 0;
}

const char *tli_stream_survey(struct tli_stream *stream, const uint8_t uuid[16], bool hidden,
                              struct tl_trace_thread *thread, uint64_t *where)
{
    struct tl_stream_packet head = {0};
    uint64_t lost = 0;
    *where = 0;
    while (*where < stream->file_bytes) {
        const char *wrong = head_at(stream, uuid, *where, &head);
        if (!wrong && head.events_discarded < lost)
            wrong = "is corrupt: its count of lost events goes down";
        if (wrong)
            return hidden || (*where > 0 && all_zero(&head)) ? NULL : wrong;
        uint64_t events = (head.content_size / 8 - sizeof head) / TL_EVENT_BYTES;
        if (*where == 0) {
            thread->tid = head.tid;
            thread->first_time = head.timestamp_begin;
        }
        thread->events += events;
        thread->lost = lost = head.events_discarded;
        thread->last_time = head.timestamp_end > thread->last_time ? head.timestamp_end : thread->last_time;
        thread->end_bytes = *where + head.content_size / 8;
        if (head.comm[0])
            memcpy(thread->comm, head.comm, sizeof head.comm);
        if (head.packet_size / 8 > stream->file_bytes - *where)
            break; /* the tracer was killed while it made the file end here */
        *where += head.packet_size / 8;
    }
    return NULL;
}

struct tl_trace_cursor {
    struct tli_stream stream;
    const uint8_t *uuid;
    uint64_t end_bytes;
    uint64_t offset;      /* of what comes next: an event, or a head */
    uint64_t content_end; /* of the current packet: its events end here */
    uint64_t packet_end;
    uint64_t high, lost;
};

struct tl_trace_cursor *tl_trace_cursor_new(const struct tl_trace *trace, const struct tl_trace_thread *thread)
{
    struct tl_trace_cursor *cursor = calloc(1, sizeof *cursor);
    if (!cursor)
        return NULL;
    size_t block = trace->thread_count > 256 ? TLI_STREAM_BLOCK_BYTES / 8 : TLI_STREAM_BLOCK_BYTES;
    if (!tli_stream_open(&cursor->stream, trace->directory, thread->file, block)) {
        free(cursor);
        return NULL;
    }
    cursor->uuid = trace->uuid;
    cursor->end_bytes = thread->end_bytes;
    return cursor;
}

void tl_trace_cursor_free(struct tl_trace_cursor *cursor)
{
    if (!cursor)
        return;
    tli_stream_close(&cursor->stream);
    free(cursor);
}

int tl_trace_cursor_next(struct tl_trace_cursor *cursor, struct tl_trace_run *run)
{
    memset(run, 0, sizeof *run);
    while (cursor->offset == cursor->content_end) {
        struct tl_stream_packet head;
        cursor->offset = cursor->packet_end;
        if (cursor->offset >= cursor->end_bytes) {
            cursor->content_end = cursor->packet_end = cursor->offset;
            return run->lost ? 1 : 0;
        }
        if (head_at(&cursor->stream, cursor->uuid, cursor->offset, &head) != NULL)
            return -1;
        cursor->content_end = cursor->offset + head.content_size / 8;
        cursor->packet_end = cursor->offset + head.packet_size / 8;
        cursor->offset += sizeof head;
        cursor->high = head.timestamp_begin >> 32 << 32;
        run->lost += head.events_discarded - cursor->lost;
        cursor->lost = head.events_discarded;
    }
    size_t bytes;
    run->events = bytes_at(&cursor->stream, cursor->offset, TL_EVENT_BYTES, &bytes);
    if (!run->events)
        return -1;
    if (bytes > cursor->content_end - cursor->offset)
        bytes = (size_t)(cursor->content_end - cursor->offset);
    run->count = bytes / TL_EVENT_BYTES;
    run->high = cursor->high;
    cursor->offset += run->count * TL_EVENT_BYTES;
    return 1;
}

uint64_t tl_trace_cursor_bytes(const struct tl_trace_cursor *cursor)
{
    return cursor->offset;
}
