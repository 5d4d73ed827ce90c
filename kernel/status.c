/* SPDX-License-Identifier: MIT
 *
 * The words for each status; see status.h. Where a command knows better what is meant, it says that.
 */
#include <kernel/status.h>

const char *status_text(enum tl_status status)
{
    static const char *const text[TL_STATUS_COUNT] = {
        [TL_OK] = "nothing is wrong",
        [TL_NOT_MINE] = "nobody here knows it",
        [TL_BAD_ARGUMENT] = "that has no meaning here",
        [TL_NO_INSTRUCTION] = "no instruction is there",
        [TL_CANNOT_MOVE] = "the instruction can be neither emulated nor moved",
        [TL_NO_ROOM] = "too many are there",
        [TL_NO_MEMORY] = "no memory near enough",
        [TL_TEXT_DIFFERS] = "other bytes are there than were left there",
        [TL_OVERLAP] = "somebody else patches there",
        [TL_NO_TEXT] = "no function is there",
        [TL_NOT_SUPPORTED] = "this machine cannot do that",
        [TL_DENIED] = "that is not allowed",
        [TL_BUSY] = "somebody else holds it",
        [TL_GONE] = "it has ended",
        [TL_NO_START] = "no instruction begins there",
        [TL_TRAP_PATH] = "breakpoints run through there",
        [TL_TOO_FAR] = "the target is out of reach",
    };
    return status < TL_STATUS_COUNT && text[status] ? text[status] : "?";
}
