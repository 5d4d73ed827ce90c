/* SPDX-License-Identifier: MIT
 *
 * What the files of reader/ share about streams and notes. Nobody outside includes this.
 */
#ifndef TL_READER_STREAM_H
#define TL_READER_STREAM_H

#include <reader/trace.h>

#define TLI_STREAM_BLOCK_BYTES ((size_t)256 << 10)

/* A file seen through a buffer. The descriptor lives only while a block is read: there may be a thousand files. */
struct tli_stream {
    int directory;
    const char *name;
    uint64_t file_bytes;
    unsigned char *buffer;
    size_t room;
    uint64_t start; /* offset of the buffer's first byte */
    size_t filled;
};

bool tli_stream_open(struct tli_stream *stream, int directory, const char *name, size_t block_bytes);
void tli_stream_close(struct tli_stream *stream);

/* Walks all packets and fills thread. NULL, or what is wrong, and *where in the file. A file of which the end was not
 * written when the tracer was killed (a hidden one) counts up to there. */
const char *tli_stream_survey(struct tli_stream *stream, const uint8_t uuid[16], bool hidden,
                              struct tl_trace_thread *thread, uint64_t *where);

/* Reads the notes of trace->directory. False: a sentence is in error. */
bool tli_notes_read(struct tl_trace *trace, const char *directory, char *error, size_t error_bytes);

#endif
