/* SPDX-License-Identifier: MIT
 *
 * Runs one instruction on the processor, in a context of one's own making, to compare with what the engine says it
 * does. Both widths. The instruction lies in a field of int3; the one it lands on ends the run.
 */
#ifndef TL_TESTS_CORE_NATIVE_H
#define TL_TESTS_CORE_NATIVE_H

#include <regs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NATIVE_CODE_BYTES 0x10000u
#define NATIVE_DATA_BYTES 0x1000u

extern uint8_t *native_code; /* executable, all int3 */
extern uint8_t *native_data; /* below 2 GB */

void native_begin(void);

/* Lets the processor go on with these registers until an int3 or a fault. Out: the registers there, ip at the int3 or
 * at the instruction at fault. */
void native_run(struct tl_regs *regs);
extern int native_signal; /* that has ended it */

/* Is offered each signal of a run first, if it is not NULL. True: the run goes on, with these registers. */
typedef bool native_offer(int signal, struct tl_regs **regs);
extern native_offer *native_offered;

#endif
