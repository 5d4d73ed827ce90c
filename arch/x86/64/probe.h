/* SPDX-License-Identifier: MIT
 *
 * What the trampoline of jump probes (probe.S) shares with core/probe: for assembly and C. Twin: arch/x86/32/probe.h.
 */
#ifndef TL_ARCH_PROBE_H
#define TL_ARCH_PROBE_H

#define TL_PROBE_DATA 10        /* from the return address: the call's data, see tl_arch_probe_call() */
#define TL_PROBE_REGS_BYTES 144 /* sizeof(struct tl_regs) */

#endif
