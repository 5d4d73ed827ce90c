/* SPDX-License-Identifier: MIT
 *
 * Windows: how plan.c asks window.c for one.
 */
#ifndef TL_PLAN_WINDOW_H
#define TL_PLAN_WINDOW_H

#include <plan/module.h>

/* Whose window, and what it may hold. */
struct tli_request {
    struct tli_module *m;
    uint32_t function;
    uint8_t kind;        /* enum tl_site_kind */
    uint64_t start, end; /* the part it lies in */
    bool certain;        /* all ways into the code of this function are known */
};

struct tli_request tli_request_for(struct tli_module *m, uint32_t function, uint8_t kind, uint64_t address);

/* A window that begins at address and reaches over the instruction at through; false: there is none. On success its
 * bytes and exits are filled in, nothing is claimed. */
bool tli_window_jump(const struct tli_request *q, uint64_t address, uint64_t through, struct tl_wire_site *site);
/* The same for one instruction and an int3. */
bool tli_window_trap(const struct tli_request *q, uint64_t address, struct tl_wire_site *site);
/* By a jump, or else by a trap. */
bool tli_window_best(const struct tli_request *q, uint64_t address, struct tl_wire_site *site);
/* The best of them over the instruction at address, beginning there or before. */
bool tli_window_over(const struct tli_request *q, uint64_t address, struct tl_wire_site *site);
/* The same as tli_window_jump() where branches may lead into the first five bytes. */
bool tli_window_into(const struct tli_request *q, uint64_t address, uint64_t through, struct tl_wire_site *site);
/* A window of fewer bytes than a jump has, by TL_TACTIC_SHORT, over the instruction at address; an entry begins there.
 */
bool tli_window_short(const struct tli_request *q, uint64_t address, struct tl_wire_site *site);
/* A window by a jump over the exit at address that known branches lead into: each of them traps, as by an int3. */
bool tli_window_entered(const struct tli_request *q, uint64_t address, struct tl_wire_site *site);
/* True if control may come to the exit past the jump at start without having been at one of its instructions. */
bool tli_window_leaks(const struct tli_request *q, uint64_t start, uint64_t exit);
/* The proven instruction that ends where address begins and goes on there; 0: none in this part. */
uint64_t tli_window_before(const struct tli_request *q, uint64_t address);
/* sites.c: takes a window in, after an int3 on each of its exits that control may come to past its start. */
void tli_window_push(const struct tli_request *q, const struct tl_wire_site *site);
/* Its bytes are taken from now on. Release: they are not any more; not for short ones. */
void tli_window_claim(struct tli_module *m, const struct tl_wire_site *site);
void tli_window_release(struct tli_module *m, const struct tl_wire_site *site);

#endif
