/* SPDX-License-Identifier: MIT
 *
 * Who reads something that a writer wants to replace, without a lock: readers count themselves in and out, the writer
 * waits for those who may have seen the old one. What is read is not known here.
 *
 * The readers' count and what they read are two places, so their order matters on both sides, as with two flags: what
 * the epoch protects is published by a sequentially consistent store and read by a sequentially consistent load, after
 * tli_epoch_enter() and before tli_epoch_wait().
 */
#ifndef TL_CORE_EPOCH_H
#define TL_CORE_EPOCH_H

#include <stdatomic.h>
#include <stdint.h>

/* Readers inside, by epoch; the epoch is the low bit of turn. All zero is a good beginning. */
struct tli_epoch {
    _Atomic uint32_t inside[2];
    _Atomic uint32_t turn;
};

/* Trap side, in any context, nested as deep as it likes. Enter returns a cookie for leave. */
unsigned tli_epoch_enter(struct tli_epoch *epoch);
void tli_epoch_leave(struct tli_epoch *epoch, unsigned cookie);

/* Returns when every reader that was inside has left. One at a time; never by a reader. */
void tli_epoch_wait(struct tli_epoch *epoch);

/* For two copies of something that take turns; an epoch is used in this way or in the other. The cookie, 0 or 1, is the
 * copy to read. It is the copy of every reader inside with that cookie, however long they stay; another thread may
 * leave for one of them. Trap side. */
unsigned tli_epoch_enter_copy(struct tli_epoch *epoch);

/* The copy that nobody reads, for the writer to fill; then it is the one, and nobody is left who reads the other. */
unsigned tli_epoch_spare_copy(struct tli_epoch *epoch);
void tli_epoch_turn(struct tli_epoch *epoch);

#endif
