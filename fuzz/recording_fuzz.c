/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the reader of recordings. The input is cut in two at the first byte 0x1e: the notes before it, a stream after
 * it; they become the files of a recording, which is then opened, profiled and merged. Anything but a crash is right.
 * Runs by `make fuzz`: clang, libFuzzer, address and undefined-behaviour sanitizers.
 */
#include <fcntl.h>
#include <reader/profile.h>
#include <reader/source.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[64];

static void forget(void)
{
    char path[100];
    snprintf(path, sizeof path, "%s/" TL_RECORDING_NOTES, directory);
    unlink(path);
    snprintf(path, sizeof path, "%s/" TL_RECORDING_STREAM "7", directory);
    unlink(path);
    rmdir(directory);
}

static void put(const char *name, const uint8_t *head, size_t head_bytes, const uint8_t *data, size_t size)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, head, head_bytes) != (ssize_t)head_bytes || write(fd, data, size) != (ssize_t)size)
        abort();
    close(fd);
}

static void read_all(const struct tl_trace *trace, const struct tl_profile_filter *filter)
{
    char error[600];
    struct tl_source_event event;
    struct tl_merge merge;
    tl_profile_free(tl_profile_make(trace, filter, NULL, error, sizeof error));
    if (tl_merge_open(&merge, trace, filter)) {
        while (tl_merge_take(&merge, &event))
            ;
    }
    tl_merge_close(&merge);
}

/* Without these no input would get past the first check: the notes' first lines, and the magic and UUID of each packet
 * where its head would lie if packets followed each other without padding. */
static const char first_lines[] = TL_RECORDING_NOTES_HEAD "\n"
                                                          "uuid=00000000-0000-0000-0000-000000000000\n"
                                                          "tsc_hz=1000000000\nmodule=0x0 - m /m\n"
                                                          "function=0 0x10 16 f\nfunction=0 0x20 16 \n";

static void mend(uint8_t *stream, size_t size)
{
    for (size_t at = 0; size - at >= sizeof(struct tl_stream_packet);) {
        struct tl_stream_packet head;
        memcpy(&head, stream + at, sizeof head);
        head.magic = TL_STREAM_MAGIC;
        head.stream_id = 0;
        memset(head.uuid, 0, sizeof head.uuid);
        memcpy(stream + at, &head, sizeof head);
        uint64_t bytes = head.packet_size / 8;
        if (bytes < sizeof head || bytes > size - at)
            break;
        at += bytes;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!directory[0]) {
        snprintf(directory, sizeof directory, "%s", "/tmp/trapline-fuzz-XXXXXX");
        if (!mkdtemp(directory))
            abort();
        atexit(forget);
    }
    const uint8_t *cut = size ? memchr(data, 0x1e, size) : NULL;
    size_t notes = cut ? (size_t)(cut - data) : size, rest = cut ? size - notes - 1 : 0;
    bool raw = notes > 0 && data[0] == 't'; /* as it is, or helped */
    uint8_t *stream = malloc(rest + 1);
    if (!stream)
        abort();
    if (rest)
        memcpy(stream, cut + 1, rest);
    if (!raw)
        mend(stream, rest);
    put(TL_RECORDING_NOTES, (const uint8_t *)first_lines, raw ? 0 : sizeof first_lines - 1, data, notes);
    put(TL_RECORDING_STREAM "7", stream, rest, NULL, 0);
    free(stream);
    char error[600];
    struct tl_trace *trace = tl_trace_open(directory, error, sizeof error);
    if (trace) {
        static const uint8_t hidden[] = {0, 1};
        const struct tl_profile_filter all = {0};
        const struct tl_profile_filter some = {
            .min_ticks = 5, .depth = 3, .hidden = trace->function_count <= sizeof hidden ? hidden : NULL};
        read_all(trace, &all);
        read_all(trace, &some);
        tl_trace_close(trace);
    }
    return 0;
}
