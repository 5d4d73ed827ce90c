/* SPDX-License-Identifier: MIT
 *
 * A recording on disk: the file names in its directory and the head of a packet. Layout only; the writer writes it,
 * the reader reads it, and DIR/metadata says the same in the words of CTF 1.8.
 *
 *     metadata       TSDL: what babeltrace2 and Trace Compass read
 *     thread-TID     one stream a thread: packets, each a head and then events as in wire/event.h
 *     .trapline      text, "key=value" lines: what TSDL has no words for; programs that read CTF skip hidden files
 *
 * Events of kind CLOCK and LOST never reach the disk: a packet begins where the upper half of the clock changes or
 * where events were dropped, so 32 bits of time an event are exact over any gap. The last packet of a file that is
 * still being written claims the file's rest as padding, so the file is whole at every moment.
 */
#ifndef TL_WIRE_RECORDING_H
#define TL_WIRE_RECORDING_H

#include <stddef.h>
#include <stdint.h>

#define TL_RECORDING_METADATA "metadata"
#define TL_RECORDING_NOTES ".trapline"
#define TL_RECORDING_NOTES_HEAD "trapline recording 1"
#define TL_RECORDING_STREAM "thread-"

#define TL_STREAM_MAGIC 0xc1fc1fc1u
#define TL_STREAM_COMM_BYTES 16

/* 96 bytes. Sizes count bits, head included, as CTF has it; times are TSC ticks. */
struct tl_stream_packet {
    uint32_t magic;
    uint8_t uuid[16]; /* the recording's */
    uint32_t stream_id;
    uint64_t stream_instance_id; /* the tid */
    uint64_t packet_size;        /* with padding */
    uint64_t content_size;       /* without */
    uint64_t timestamp_begin;    /* of the first event: the upper half holds for all of the packet */
    uint64_t timestamp_end;      /* of the last one */
    uint64_t events_discarded;   /* of this thread since the recording began; what is new lies before this packet */
    int32_t tid;
    int32_t pid;
    char comm[TL_STREAM_COMM_BYTES]; /* zero-padded */
};

_Static_assert(sizeof(struct tl_stream_packet) == 96, "the packet head is part of the file format");
_Static_assert(offsetof(struct tl_stream_packet, packet_size) == 32, "no padding");

#endif
