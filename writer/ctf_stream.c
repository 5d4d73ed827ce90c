/* SPDX-License-Identifier: MIT
 *
 * The streams of a CTF recording: cuts what the rings hold into packets and writes them, the events as they lie. No
 * text, no names. Called by writer/ctf.c.
 *
 * A file is whole at every moment, as the tracer may be killed at any: the last packet claims the rest of the file as
 * padding, new packets are written into that, and become visible when eight bytes, the size of the packet before, are
 * set. Only where the padding is used up the file grows and its last packet with it, in two steps; as it doubles, that
 * happens a few times in a file's life, and meanwhile it has a hidden name, which readers of CTF skip and ours knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <writer/ctf_stream.h>

#define FILE_BYTES_FIRST ((uint64_t)256 << 10)
#define FILE_GROWTH_MAX ((uint64_t)256 << 20)
#define SALVAGE_EVENTS 2048 /* when a file can grow no further it is filled in steps of this */

/* ---- files ------------------------------------------------------------------------------------------------------ */

static void stream_close(struct tl_writer *writer, struct tli_ctf_stream *stream)
{
    if (stream->fd < 0)
        return;
    close(stream->fd);
    stream->fd = -1;
    writer->open_files--;
}

/* Closes the file that was used longest ago. False if none is open. */
static bool close_one(struct tl_writer *writer)
{
    struct tli_ctf_stream *oldest = NULL;
    for (size_t i = 0; i < writer->stream_count; i++) {
        struct tli_ctf_stream *stream = writer->streams[i];
        if (stream->fd >= 0 && (!oldest || stream->used < oldest->used))
            oldest = stream;
    }
    if (!oldest)
        return false;
    stream_close(writer, oldest);
    return true;
}

/* A file that holds no packet yet has a hidden name: readers of CTF take each visible one for a stream. */
static void stream_name(const struct tli_ctf_stream *stream, bool hidden, char name[40])
{
    snprintf(name, 40, hidden ? TL_RECORDING_NOTES ".%d" : TL_RECORDING_STREAM "%d", stream->tid);
}

static int stream_open(struct tl_writer *writer, struct tli_ctf_stream *stream)
{
    stream->used = ++writer->uses;
    if (stream->fd >= 0)
        return 0;
    char name[40];
    stream_name(stream, !stream->created, name);
    while (writer->open_files >= writer->open_files_max && close_one(writer)) {
    }
    int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | (stream->created ? 0 : O_CREAT | O_TRUNC);
    for (;;) {
        stream->fd = openat(writer->directory, name, flags, 0666);
        if (stream->fd >= 0)
            break;
        int error = -errno;
        if ((error != -EMFILE && error != -ENFILE) || !close_one(writer))
            return error;
    }
    writer->open_files++;
    return 0;
}

/* Consumes pieces. */
static int write_all(int fd, struct iovec *pieces, size_t count, uint64_t offset)
{
    while (count > 0) {
        ssize_t done = pwritev(fd, pieces, (int)count, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? -errno : -ENOSPC;
        offset += (uint64_t)done;
        while (count > 0 && (size_t)done >= pieces->iov_len) {
            done -= (ssize_t)pieces->iov_len;
            pieces++;
            count--;
        }
        if (count > 0) {
            pieces->iov_base = (char *)pieces->iov_base + done;
            pieces->iov_len -= (size_t)done;
        }
    }
    return 0;
}

/* Makes the last packet end at offset end_bytes. */
static int set_last_size(const struct tli_ctf_stream *stream, uint64_t end_bytes)
{
    uint64_t bits = (end_bytes - stream->last_bytes) * 8;
    struct iovec piece = {&bits, sizeof bits};
    return write_all(stream->fd, &piece, 1, stream->last_bytes + offsetof(struct tl_stream_packet, packet_size));
}

static int stream_rename(struct tl_writer *writer, struct tli_ctf_stream *stream, bool hide)
{
    char from[40], to[40];
    stream_name(stream, !hide, from);
    stream_name(stream, hide, to);
    if (renameat(writer->directory, from, writer->directory, to) != 0)
        return -errno;
    stream->created = !hide;
    return 0;
}

/* Makes the file and its last packet end at offset bytes, out of sight as these are two steps. */
static int stream_resize(struct tl_writer *writer, struct tli_ctf_stream *stream, uint64_t bytes)
{
    int error = stream_rename(writer, stream, true);
    if (error != 0)
        return error;
    if (ftruncate(stream->fd, (off_t)bytes) != 0) {
        error = -errno;
        bytes = stream->file_bytes;
    }
    stream->file_bytes = bytes;
    int size_error = set_last_size(stream, bytes);
    int name_error = stream_rename(writer, stream, false);
    return error != 0 ? error : size_error != 0 ? size_error : name_error;
}

/* Room for bytes more behind the content. */
static int stream_grow(struct tl_writer *writer, struct tli_ctf_stream *stream, uint64_t bytes)
{
    uint64_t need = stream->end_bytes + bytes;
    if (need <= stream->file_bytes)
        return 0;
    uint64_t growth = stream->file_bytes < FILE_GROWTH_MAX ? stream->file_bytes : FILE_GROWTH_MAX;
    uint64_t size = need + (growth > FILE_BYTES_FIRST ? growth : FILE_BYTES_FIRST);
    if (stream->created) /* the large step can exceed a limit that the small one does not */
        return stream_resize(writer, stream, size) == 0 ? 0 : stream_resize(writer, stream, need);
    if (ftruncate(stream->fd, (off_t)size) != 0) {
        size = need;
        if (ftruncate(stream->fd, (off_t)size) != 0)
            return -errno;
    }
    stream->file_bytes = size;
    return 0;
}

static void batch_drop(struct tl_writer *writer)
{
    writer->head_count = writer->piece_count = 0;
    writer->batch_bytes = 0;
}

/* Writes the batch and makes it visible. */
static int batch_store(struct tl_writer *writer, struct tli_ctf_stream *stream)
{
    if (writer->head_count == 0)
        return 0;
    uint64_t bytes = writer->batch_bytes;
    int error = stream_open(writer, stream);
    if (error == 0)
        error = stream_grow(writer, stream, bytes);
    if (error != 0)
        return error;
    struct tl_stream_packet *last = &writer->heads[writer->head_count - 1];
    uint64_t last_bytes = stream->end_bytes + bytes - last->content_size / 8;
    last->packet_size = (stream->file_bytes - last_bytes) * 8;
    error = write_all(stream->fd, writer->pieces, writer->piece_count, stream->end_bytes);
    if (error == 0)
        error = stream->created ? set_last_size(stream, stream->end_bytes) : stream_rename(writer, stream, false);
    if (error != 0)
        return error;
    stream->last_bytes = last_bytes;
    stream->end_bytes += bytes;
    stream->last_time = last->timestamp_end;
    stream->discarded = last->events_discarded;
    writer->bytes += bytes;
    batch_drop(writer);
    return 0;
}

/* ---- packets ---------------------------------------------------------------------------------------------------- */

static void piece_add(struct tl_writer *writer, const void *base, size_t bytes)
{
    writer->pieces[writer->piece_count++] = (struct iovec){(void *)(uintptr_t)base, bytes};
    writer->heads[writer->head_count - 1].content_size += bytes * 8;
    writer->heads[writer->head_count - 1].packet_size += bytes * 8;
    writer->batch_bytes += bytes;
}

static void head_add(struct tl_writer *writer, struct tli_ctf_stream *stream, uint64_t time)
{
    struct tl_stream_packet *head = &writer->heads[writer->head_count++];
    uint64_t discarded = writer->head_count > 1 ? head[-1].events_discarded : stream->discarded;
    memset(head, 0, sizeof *head);
    head->magic = TL_STREAM_MAGIC;
    memcpy(head->uuid, writer->uuid, sizeof head->uuid);
    head->stream_instance_id = (uint64_t)(unsigned)stream->tid;
    head->timestamp_begin = head->timestamp_end = time;
    head->events_discarded = discarded + stream->lost;
    stream->lost = 0;
    head->tid = stream->tid;
    head->pid = writer->info.pid;
    memcpy(head->comm, stream->comm, sizeof head->comm);
    piece_add(writer, head, sizeof *head);
}

/* A packet begins. Losses get an empty packet of their own: readers of CTF place them between the end of the packet
 * before and the end of the one that counts them, and a stream's first packet has none before. */
static void packet_begin(struct tl_writer *writer, struct tli_ctf_stream *stream, uint64_t time)
{
    if (stream->lost) {
        if (!stream->created && writer->head_count == 0) {
            uint64_t lost = stream->lost;
            stream->lost = 0;
            head_add(writer, stream, time);
            stream->lost = lost;
        }
        head_add(writer, stream, time);
    }
    head_add(writer, stream, time);
}

/* The events from events[i] on that go to disk in one piece: returns the index behind them. */
static size_t run_end(struct tl_writer *writer, const uint64_t *events, size_t i, size_t count)
{
    uint8_t *seen = writer->seen;
    size_t functions = writer->function_count;
    for (; i < count; i++) {
        uint64_t event = events[i];
        if (event == 0 || TL_EVENT_KIND(event) > TL_EVENT_EXIT)
            break;
        size_t id = TL_EVENT_VALUE(event);
        if (id - 1 < functions && __builtin_expect(!seen[id - 1], 0)) { /* once a function: a read is cheaper */
            writer->unnamed = true;
            seen[id - 1] = 1;
        }
    }
    return i;
}

/* Fills the batch from events[i] on; returns the index of the first event that did not fit. Slots that are zero were
 * reserved but never written: they are no events. */
static size_t batch_fill(struct tl_writer *writer, struct tli_ctf_stream *stream, const uint64_t *events, size_t i,
                         size_t count)
{
    bool inside = false;
    while (i < count) {
        uint64_t event = events[i];
        unsigned kind = TL_EVENT_KIND(event);
        if (event == 0) {
            i++;
        } else if (kind == TL_EVENT_CLOCK) {
            uint64_t high = (uint64_t)TL_EVENT_VALUE(event) << 32;
            inside = inside && high == stream->high;
            stream->high = high;
            i++;
        } else if (kind == TL_EVENT_LOST) {
            stream->lost += TL_EVENT_VALUE(event);
            inside = false;
            i++;
        } else {
            if (writer->head_count + 3 > TLI_CTF_PACKETS || writer->piece_count + 4 > TLI_CTF_PIECES)
                return i;
            if (!inside)
                packet_begin(writer, stream, stream->high | TL_EVENT_TIME32(event));
            inside = true;
            size_t end = run_end(writer, events, i, count);
            piece_add(writer, &events[i], (end - i) * sizeof *events);
            writer->heads[writer->head_count - 1].timestamp_end = stream->high | TL_EVENT_TIME32(events[end - 1]);
            i = end;
        }
    }
    return i;
}

/* ---- threads ---------------------------------------------------------------------------------------------------- */

static size_t slot_of(const struct tl_writer *writer, int tid)
{
    size_t slot = (uint32_t)tid * 2654435761u & (writer->slot_count - 1);
    while (writer->slots[slot] && writer->streams[writer->slots[slot] - 1]->tid != tid)
        slot = (slot + 1) & (writer->slot_count - 1);
    return slot;
}

/* Room for one more; the hash is kept at most half full. */
static int grow_streams(struct tl_writer *writer)
{
    if (writer->stream_count < writer->stream_room)
        return 0;
    size_t room = writer->stream_room ? writer->stream_room * 2 : 64;
    struct tli_ctf_stream **streams = realloc(writer->streams, room * sizeof *streams);
    if (!streams)
        return -ENOMEM;
    writer->streams = streams;
    uint32_t *slots = calloc(room * 2, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    free(writer->slots);
    writer->slots = slots;
    writer->slot_count = room * 2;
    writer->stream_room = room;
    for (size_t i = 0; i < writer->stream_count; i++)
        slots[slot_of(writer, streams[i]->tid)] = (uint32_t)i + 1;
    return 0;
}

static struct tli_ctf_stream *stream_of(struct tl_writer *writer, int tid)
{
    if (writer->slot_count) {
        uint32_t found = writer->slots[slot_of(writer, tid)];
        if (found)
            return writer->streams[found - 1];
    }
    if (grow_streams(writer) != 0)
        return NULL;
    struct tli_ctf_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    stream->tid = tid;
    stream->fd = -1;
    writer->slots[slot_of(writer, tid)] = (uint32_t)writer->stream_count + 1;
    writer->streams[writer->stream_count++] = stream;
    return stream;
}

int tli_ctf_packet(struct tl_writer *writer, const struct tl_recording_packet *packet)
{
    struct tli_ctf_stream *stream = stream_of(writer, packet->tid);
    if (!stream)
        return -ENOMEM;
    if (packet->comm && *packet->comm) {
        memset(stream->comm, 0, sizeof stream->comm);
        memcpy(stream->comm, packet->comm, strnlen(packet->comm, sizeof stream->comm - 1));
    }
    stream->lost += packet->lost_before;
    size_t step = packet->count;
    for (size_t i = 0; i < packet->count;) {
        uint64_t high = stream->high, lost = stream->lost;
        size_t end = packet->count - i < step ? packet->count : i + step;
        end = batch_fill(writer, stream, packet->events, i, end);
        int error = batch_store(writer, stream);
        if (error == 0) {
            i = end;
        } else if (step > SALVAGE_EVENTS) { /* once more in small steps: what there is room for is kept */
            step = SALVAGE_EVENTS;
            batch_drop(writer);
            stream->high = high;
            stream->lost = lost;
        } else {
            return error;
        }
    }
    return tli_ctf_metadata_refresh(writer);
}

static int stream_finish(struct tl_writer *writer, struct tli_ctf_stream *stream)
{
    int error = 0;
    if (stream->lost) {
        uint64_t time = stream->last_time > stream->high ? stream->last_time : stream->high;
        packet_begin(writer, stream, time);
        error = batch_store(writer, stream);
        batch_drop(writer);
    }
    if (!stream->created)
        return error;
    int end_error = stream_open(writer, stream);
    if (end_error == 0)
        end_error = stream_resize(writer, stream, stream->end_bytes);
    stream_close(writer, stream);
    return error != 0 ? error : end_error;
}

int tli_ctf_streams_finish(struct tl_writer *writer)
{
    int error = 0;
    batch_drop(writer); /* one that failed */
    for (size_t i = 0; i < writer->stream_count; i++) {
        struct tli_ctf_stream *stream = writer->streams[i];
        int stream_error = stream_finish(writer, stream);
        error = error != 0 ? error : stream_error;
        if (!stream->created) { /* its first packet never got through */
            char hidden[40];
            stream_name(stream, true, hidden);
            unlinkat(writer->directory, hidden, 0);
        }
    }
    return error;
}

void tli_ctf_streams_free(struct tl_writer *writer)
{
    for (size_t i = 0; i < writer->stream_count; i++) {
        stream_close(writer, writer->streams[i]);
        free(writer->streams[i]);
    }
    free(writer->streams);
    free(writer->slots);
}
