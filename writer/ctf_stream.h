/* SPDX-License-Identifier: MIT
 *
 * The streams of the CTF writer, a file a thread. Only writer/ctf*.c include this.
 */
#ifndef TL_WRITER_CTF_STREAM_H
#define TL_WRITER_CTF_STREAM_H

#include <wire/event.h>
#include <writer/ctf.h>

int tli_ctf_packet(struct tl_writer *writer, const struct tl_recording_packet *packet);

/* Ends every file where its content ends. Goes on after an error, and returns the first. */
int tli_ctf_streams_finish(struct tl_writer *writer);

/* Closes and forgets. */
void tli_ctf_streams_free(struct tl_writer *writer);

#endif
