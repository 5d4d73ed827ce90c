/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the instruction decoder with Zydis as the oracle. The first byte chooses the mode, the rest is decoded from
 * every one of its offsets on.
 */
#include <stdlib.h>
#include <tests/core/insn_zydis.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zydis_init();
    if (size == 0)
        return 0;
    enum tl_insn_mode mode = data[0] & 1 ? TL_MODE_64 : TL_MODE_32;
    for (size_t at = 1; at < size; at++) {
        struct tl_insn ours, theirs;
        enum tl_status status = tl_insn_decode(&ours, data + at, size - at, mode);
        if (status != zydis_decode(&theirs, data + at, size - at, mode) || memcmp(&ours, &theirs, sizeof ours) != 0)
            abort();
    }
    return 0;
}
