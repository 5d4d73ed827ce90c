/* SPDX-License-Identifier: MIT
 *
 * Why the engine refuses, in words: what commands say behind "refused: ".
 */
#ifndef KERNEL_STATUS_H
#define KERNEL_STATUS_H

#include <trapline/status.h>

/* Any context. Never NULL. */
const char *status_text(enum tl_status status);

#endif
