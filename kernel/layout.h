/* SPDX-License-Identifier: MIT
 *
 * Where things are in the address space, and the selectors of segments: for C and assembly. The kernel is mapped where
 * it lies in memory; both widths use the first four GiB only.
 */
#ifndef KERNEL_LAYOUT_H
#define KERNEL_LAYOUT_H

#define THREAD_STACK_BYTES 32768 /* a power of two: a stack pointer leads to its thread */

#define SEGMENT_CODE 0x08
#define SEGMENT_DATA 0x10
#define SEGMENT_USER_CODE 0x1b
#define SEGMENT_USER_DATA 0x23
#define SEGMENT_TASK 0x28 /* and 16 more for each CPU */

#define LAYOUT_START_PAGE 0x8000     /* where a CPU that is started begins, in real mode */
#define LAYOUT_MEMORY_MAX 0x10000000 /* memory above it is not used */
#define LAYOUT_EXEC 0x10000000       /* to 0x40000000: for tl_port_exec_map() */
#define LAYOUT_USER 0x40000000       /* the ring-3 task: a GiB of its own */
#define LAYOUT_WINDOW 0x80000000     /* in the poker's map only: text, writable */
#define LAYOUT_APIC 0xfee00000

#endif
