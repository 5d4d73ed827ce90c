/* SPDX-License-Identifier: MIT
 *
 * The section of the trap path: what is marked so runs between a breakpoint and its resolution. It calls nothing
 * outside the section, so nothing it runs can carry a site; the build checks that on the objects.
 */
#ifndef TL_CORE_SECTION_H
#define TL_CORE_SECTION_H

#include <stdbool.h>

#define TLI_TRAP __attribute__((section(".text.trap"), noinline))

#endif
