/* SPDX-License-Identifier: MIT
 *
 * Making every core serialise: membarrier(2), PRIVATE_EXPEDITED_SYNC_CORE. It interrupts the cores that run a thread of
 * this process now; the others serialise before they return to user space.
 */
#include <port/linux/linux.h>
#include <syscall.h>
#include <trapline/port.h>

enum { SYNC_CORE = 1 << 5, REGISTER_SYNC_CORE = 1 << 6 };

enum tl_status tli_serialize_open(void)
{
    return tl_syscall3(TL_SYS_MEMBARRIER, REGISTER_SYNC_CORE, 0, 0) == 0 ? TL_OK : TL_NOT_SUPPORTED;
}

void tl_port_serialize(void)
{
    if (tl_syscall3(TL_SYS_MEMBARRIER, SYNC_CORE, 0, 0) != 0)
        tl_port_panic("membarrier failed after it was registered");
}
