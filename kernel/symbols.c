/* SPDX-License-Identifier: MIT
 *
 * Lookup in the kernel's table of its own functions; see symbols.h. The table itself is in an object that
 * kernel/symbols.sh generates: linked empty first, then with the names that the first link gave.
 */
#include <kernel/symbols.h>

struct row {
    uint32_t offset; /* from symbols_base */
    uint32_t size_bytes;
    uint32_t name; /* offset in symbols_names */
};

extern const uintptr_t symbols_base;
extern const uint32_t symbols_count;
extern const struct row symbols_rows[];
extern const char symbols_names[];

size_t symbol_count(void)
{
    return symbols_count;
}

struct symbol symbol_get(size_t index)
{
    const struct row *row = &symbols_rows[index];
    return (struct symbol){symbols_base + row->offset, row->size_bytes, symbols_names + row->name};
}

bool symbol_of(uintptr_t address, struct symbol *symbol)
{
    size_t low = 0, high = symbols_count; /* the first row behind address is in [low, high] */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (symbols_base + symbols_rows[middle].offset <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    struct symbol found = symbol_get(low - 1);
    if (address - found.address >= found.size_bytes)
        return false;
    *symbol = found;
    return true;
}

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

bool symbol_named(const char *name, struct symbol *symbol)
{
    for (size_t i = 0; i < symbols_count; i++)
        if (same(symbols_names + symbols_rows[i].name, name)) {
            *symbol = symbol_get(i);
            return true;
        }
    return false;
}

/* A place in a text that is being written; what does not fit is dropped. */
struct cursor {
    char *at, *end;
};

static void put(struct cursor *to, const char *text)
{
    while (*text && to->at < to->end)
        *to->at++ = *text++;
}

static void put_hex(struct cursor *to, uintptr_t value)
{
    char digits[2 * sizeof value + 1], *digit = digits + sizeof digits - 1;
    *digit = '\0';
    do
        *--digit = "0123456789abcdef"[value % 16];
    while (value /= 16);
    put(to, "0x");
    put(to, digit);
}

const char *symbol_text(uintptr_t address, char *text, size_t size)
{
    struct cursor to = {text, text + size - 1};
    struct symbol symbol;
    if (symbol_of(address, &symbol)) {
        put(&to, symbol.name);
        put(&to, "+");
        put_hex(&to, address - symbol.address);
        put(&to, "/");
        put_hex(&to, symbol.size_bytes);
    } else
        put_hex(&to, address);
    *to.at = '\0';
    return text;
}
