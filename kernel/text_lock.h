/* SPDX-License-Identifier: MIT
 *
 * The text lock as the kernel's other rooms see it: the debugger must know whether it is held, and steps aside while it
 * is. The lock itself is the port's: tl_port_text_lock().
 */
#ifndef KERNEL_TEXT_LOCK_H
#define KERNEL_TEXT_LOCK_H

#include <stdbool.h>

/* True if it was free and is held now. For the debugger, with all other CPUs held or interrupts off; it gives it back
 * soon, and the hooks below know nothing of it. */
bool text_lock_try(void);
void text_lock_give(void);

/* Called when it has been taken, and before it is given back; NULL: nobody. */
typedef void text_lock_hook(void);
extern text_lock_hook *volatile text_lock_taken, *volatile text_lock_leaving;

#endif
