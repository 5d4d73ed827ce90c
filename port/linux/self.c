/* SPDX-License-Identifier: MIT
 *
 * libtrapline in a process of its own. See include/trapline/self.h. The agent starts by itself, in agent/main.c.
 */
#include <port/linux/linux.h>
#include <syscall.h>
#include <trapline/self.h>

enum tl_status tl_self_start(void)
{
    static bool started;
    if (started)
        return TL_BUSY;
    tli_process_id = (uint32_t)tl_syscall0(TL_SYS_GETPID);
    enum tl_status status = tli_text_open();
    if (status == TL_OK)
        status = tli_serialize_open();
    if (status == TL_OK)
        status = tli_signal_take();
    if (status != TL_OK)
        tli_text_close();
    started = status == TL_OK;
    return status;
}
