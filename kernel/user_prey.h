/* SPDX-License-Identifier: MIT
 *
 * Between kernel/user_test.c and its assembly, kernel/32/user_prey.S and kernel/64/user_prey.S.
 */
#ifndef KERNEL_USER_PREY_H
#define KERNEL_USER_PREY_H

#define USER_PREY_SIGNALS 100
#define USER_PREY_WRONG -1000
#define USER_PREY_SIGTRAP 5

#ifndef __ASSEMBLER__
#include <stdint.h>

/* Meets so many int3s with a handler; returns how many signals were right, or USER_PREY_WRONG. */
extern const uint8_t user_prey[], user_prey_end[];
/* Meets one without a handler. */
extern const uint8_t user_prey_dies[], user_prey_dies_end[];
#endif

#endif
