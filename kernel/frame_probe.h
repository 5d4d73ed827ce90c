/* SPDX-License-Identifier: MIT
 *
 * Between kernel/frame_test.c and its assembly, kernel/32/frame_probe.S and kernel/64/frame_probe.S.
 */
#ifndef KERNEL_FRAME_PROBE_H
#define KERNEL_FRAME_PROBE_H

#define FRAME_PROBE_CANARY 0x5a17ed
#define FRAME_PROBE_CANARIES 16

#ifndef __ASSEMBLER__
#include <stdint.h>

/* Loads register i with 0xa0 + i, carry and direction set, and traps. down: bytes. */
void frame_probe(uintptr_t down);
extern const uint8_t frame_probe_int3[], frame_probe_called[], frame_probe_ret[];
#endif

#endif
