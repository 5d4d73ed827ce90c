/* SPDX-License-Identifier: MIT
 *
 * Packets of gdb's remote serial protocol: framing, acknowledgement, hexadecimal. What a packet says is kgdb_stub.c's;
 * how a byte gets to gdb is kgdb_serial.c's. Called by the one CPU that talks to gdb, all others held.
 * Source: the gdb manual, appendix "Remote Protocol", sections Overview and Packet Acknowledgment.
 */
#ifndef KERNEL_KGDB_PACKET_H
#define KERNEL_KGDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KGDB_PACKET_BYTES 4096

/* Both ways; text ends with a zero that is no part of it, and what does not fit is dropped. */
struct kgdb_packet {
    size_t length_bytes;
    char text[KGDB_PACKET_BYTES];
};

/* Waits for a packet with a right checksum and acknowledges it. */
void kgdb_receive(struct kgdb_packet *packet);

/* Sends it, again and again until gdb has acknowledged it. */
void kgdb_send(const struct kgdb_packet *packet);

/* Whether packets are acknowledged, in both directions; they are, until gdb asks not to. Returns what was. */
bool kgdb_acknowledge(bool on);

void kgdb_put_text(struct kgdb_packet *packet, const char *text);
void kgdb_put_number(struct kgdb_packet *packet, uintptr_t value);              /* 1f: no leading zeros */
void kgdb_put_bytes(struct kgdb_packet *packet, const void *from, size_t size); /* two digits a byte */

/* The readers move *at behind what they took; false: it is not there, *at did not move. */
bool kgdb_take(const char **at, const char *text);
bool kgdb_take_number(const char **at, uintptr_t *value);
bool kgdb_take_bytes(const char **at, void *to, size_t size);

#endif
