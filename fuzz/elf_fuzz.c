/* SPDX-License-Identifier: MIT
 *
 * Feeds anything to the plan as if it were an ELF file: it may refuse, it may plan nonsense, it may not crash, hang or
 * plan sites outside the file's code or over each other. Run by `make fuzz`.
 */
#include <plan/plan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A trap may stand on an exit within a jump's window, behind the bytes of the jump: for those who arrive there by a
 * branch that nobody knows. */
static bool is_besides(const struct tl_wire_site *site, const struct tl_wire_site *window)
{
    return site->tactic == TL_TACTIC_TRAP && window->tactic != TL_TACTIC_TRAP &&
           site->address >= window->address + TL_JUMP_BYTES &&
           site->address + site->size <= window->address + window->size;
}

static void check_sites(const struct tl_module *module)
{
    const struct tl_wire_site *window = NULL;
    for (size_t i = 0; i < module->site_count; i++) {
        const struct tl_wire_site *site = &module->sites[i];
        if (!site->size || site->size > TL_SITE_MAX_BYTES || !site->insns || site->insns > TL_SITE_MAX_INSNS ||
            site->function >= module->function_count)
            abort();
        if (window && is_besides(site, window))
            continue;
        if (window && window->address + window->size > site->address)
            abort();
        window = site;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], error[512];
    const char *names[3];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct tl_module *module = tl_module_open(path, "fuzz", error, sizeof error);
    if (module) {
        struct tl_filter all = {.include_count = 0};
        tl_module_select(module, &all);
        if (tl_module_plan(module))
            check_sites(module);
        tl_module_nearest(module, "main", names, 3);
        tl_module_close(module);
    }
    close(fd);
    return 0;
}
