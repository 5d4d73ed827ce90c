/* SPDX-License-Identifier: MIT
 *
 * The open ELF handles of a module: the file itself first (last of the list), then its debug files. Only for the files
 * of plan/ that speak libelf.
 */
#ifndef TL_PLAN_ELF_H
#define TL_PLAN_ELF_H

#include <libelf.h>
#include <plan/module.h>
#include <sys/stat.h>

struct tli_elf {
    Elf *elf;
    int fd;       /* -1: from memory */
    void *memory; /* owned, or NULL */
    struct tli_elf *next;
};

/* Takes over elf, fd and memory, also when it fails. */
struct tli_elf *tli_elf_add(struct tli_module *m, Elf *elf, int fd, void *memory);

/* debug.c: opens what holds more symbols of the module: a separate debug file, a .gnu_debugdata. */
void tli_debug_open(struct tli_module *m, Elf *elf, const char *label);

#endif
