/* SPDX-License-Identifier: MIT
 *
 * `info --selftest`: whether this machine has what tracing needs.
 */
#ifndef TL_TRACER_SELFTEST_H
#define TL_TRACER_SELFTEST_H

#include <stdbool.h>

/* Prints one line a requirement; returns 0 if all are met, else 1. */
int tl_selftest(bool json);

#endif
