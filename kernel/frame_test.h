/* SPDX-License-Identifier: MIT
 *
 * The frame contract (arch/x86/.../regs.h), tried at every boot.
 */
#ifndef KERNEL_FRAME_TEST_H
#define KERNEL_FRAME_TEST_H

/* Panics if it is broken. Once, before other CPUs run. */
void frame_test(void);

#endif
