/* SPDX-License-Identifier: MIT
 *
 * The kernel's table of its own functions: by address for backtraces, by name for filters, bounds for probes. The table
 * is read-only and made by kernel/symbols.sh at build time. Any context, from the first instruction on; takes no lock.
 */
#ifndef KERNEL_SYMBOLS_H
#define KERNEL_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbol {
    uintptr_t address;
    size_t size_bytes; /* up to the next function where the assembly does not say; never 0 */
    const char *name;
};

/* Functions in the table, sorted by address; index below symbol_count(). */
size_t symbol_count(void);
struct symbol symbol_get(size_t index);

/* The function that address lies in: symbol->address <= address < symbol->address + symbol->size_bytes.
 * False: no function's, *symbol is untouched. */
bool symbol_of(uintptr_t address, struct symbol *symbol);

/* The first function with exactly this name; static functions of several files may share one. */
bool symbol_named(const char *name, struct symbol *symbol);

/* Writes "name+0x12/0x40" or "0x1234" and a final zero, cut off at size bytes. Returns text. */
const char *symbol_text(uintptr_t address, char *text, size_t size);

#endif
