/* SPDX-License-Identifier: MIT
 *
 * Many system calls in a held thread for the price of one stop: machine code is made here, written into a page of the
 * target and run. Each stop costs a round of the scheduler, and on a busy machine that is what the hold lasts.
 */
#ifndef TL_TRACER_SCRIPT_H
#define TL_TRACER_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tracer/remote.h>

#define TL_SCRIPT_BYTES 4096
#define TL_SCRIPT_TEXT 3072 /* strings stand here in the page */
#define TL_SCRIPT_CALLS 24

struct tl_script {
    uint64_t address; /* of the page in the target: readable, executable */
    uint8_t code[TL_SCRIPT_BYTES];
    size_t size, text_size;
    unsigned count;                /* calls so far */
    size_t exits[TL_SCRIPT_CALLS]; /* operands of jumps to the end, for calls that must succeed */
    unsigned exit_count;
};

/* An argument: a value; the result of an earlier call of this script plus a value; a place in the scratch memory. */
enum tl_argument_kind { TL_ARGUMENT_VALUE, TL_ARGUMENT_RESULT, TL_ARGUMENT_SCRATCH };
struct tl_argument {
    enum tl_argument_kind kind;
    unsigned call;
    uint64_t value;
};

/* Begins a script. scratch: memory of the target, writable at the latest when the first call is made: for results, 8
 * bytes a call, and what else the script wants there. */
void tl_script_begin(struct tl_script *script, uint64_t address, uint64_t scratch);

/* Adds a call; returns its index. If it must succeed, the script ends where it fails. */
unsigned tl_script_call(struct tl_script *script, bool must, long number, const struct tl_argument arguments[6]);

/* Puts a string into the page; its address in the target. */
uint64_t tl_script_text(struct tl_script *script, const char *text);

/* Runs it. Returns how many calls were made before one failed, *failure being its result; or -1 if the thread is gone.
 */
int tl_script_run(struct tl_script *script, struct tl_hold *hold, long *failure);

#endif
