/* SPDX-License-Identifier: MIT
 *
 * What the files of the CTF writer share: its state, the text side (metadata and notes) and the directory. No format
 * knowledge; nobody outside writer/ctf*.c includes this.
 */
#ifndef TL_WRITER_CTF_H
#define TL_WRITER_CTF_H

#include <stdbool.h>
#include <sys/uio.h>
#include <wire/recording.h>
#include <writer/writer.h>

/* One thread's file. */
struct tli_ctf_stream {
    int tid;
    int fd; /* -1: closed for want of descriptors, or not created yet */
    bool created;
    char comm[TL_STREAM_COMM_BYTES];
    uint64_t high;       /* the last clock record, in place */
    uint64_t last_time;  /* of the last event on disk */
    uint64_t discarded;  /* as the last packet says */
    uint64_t lost;       /* dropped since then */
    uint64_t last_bytes; /* offset of the last packet's head */
    uint64_t end_bytes;  /* where its content ends */
    uint64_t file_bytes; /* where the file ends: the padding between is claimed by the last packet */
    uint64_t used;       /* when its descriptor was last used */
};

struct tli_ctf_module {
    char *name, *path;
    uint8_t build_id[32];
    size_t build_id_bytes;
    uint64_t bias;
};

struct tli_ctf_function {
    char *name;
    uint32_t module;
    uint64_t address, size;
};

#define TLI_CTF_PACKETS 128
#define TLI_CTF_PIECES 512

struct tl_writer {
    int directory; /* all files are opened under it: a rename of the directory does not matter */
    uint8_t uuid[16];
    struct tl_recording_info info;
    char *command;
    struct tli_ctf_module *modules;
    size_t module_count;
    struct tli_ctf_function *functions; /* function id i at i - 1 */
    uint8_t *seen;                      /* the same index: it occurs in an event */
    bool unnamed;                       /* one was seen that the metadata may not name yet */
    uint64_t metadata_ns;               /* when it was last written */
    size_t function_count, function_room;
    uint64_t *calls;                 /* NULL, or function_count of them, the same index */
    struct tli_ctf_stream **streams; /* in the order they came */
    size_t stream_count, stream_room;
    uint32_t *slots; /* hash of tid -> index + 1 in streams[] */
    size_t slot_count;
    size_t open_files, open_files_max;
    uint64_t uses;
    uint64_t bytes; /* of packets */
    struct tl_stream_packet heads[TLI_CTF_PACKETS];
    struct iovec pieces[TLI_CTF_PIECES];
    size_t head_count, piece_count;
    uint64_t batch_bytes;
};

/* Makes directory, after moving a recording of that name to "directory.old". Returns a descriptor of it or a negative
 * errno; -EEXIST when something is in the way that is not a recording: that is never touched. */
int tli_ctf_directory_make(const char *directory);

/* Whether that would work, as far as can be told beforehand. 0 or a negative errno. */
int tli_ctf_directory_check(const char *directory);

/* Writes metadata and notes anew, each under another name first, and adds their size to *bytes. At the end of a
 * recording, and before it if there are many, the metadata names only functions that were seen in events: babeltrace2
 * takes time quadratic in their number to load them, and searches the list from its start for each event. */
int tli_ctf_text_write(struct tl_writer *writer, bool ended, uint64_t *bytes);

/* Writes the metadata anew if it lacks names and is not fresh. */
int tli_ctf_metadata_refresh(struct tl_writer *writer);

#endif
