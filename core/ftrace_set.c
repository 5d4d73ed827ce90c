/* SPDX-License-Identifier: MIT
 *
 * Sets of functions: a bit for each in the table, chosen by globs over their names. Called by ftrace.c, with its lock.
 */
#include <core/ftrace.h>
#include <trapline/port.h>

static size_t words(void)
{
    return tli_ftrace_records.count / 32 + 1;
}

uint32_t *tli_ftrace_set_make(void)
{
    return tl_port_memory(words() * sizeof(uint32_t));
}

void tli_ftrace_set_free(uint32_t *set)
{
    if (set)
        tl_port_memory_free(set, words() * sizeof(uint32_t));
}

uint32_t *tli_ftrace_set_wanted(const struct tl_ftrace_ops *ops)
{
    const uint32_t *only = ops->list[TL_FTRACE_FILTER], *never = ops->list[TL_FTRACE_NOTRACE];
    uint32_t *set = tli_ftrace_set_make();
    for (size_t i = 0; set && i < words(); i++)
        set[i] = (only ? only[i] : ~0u) & ~(never ? never[i] : 0);
    return set;
}

/* glob[0..end) is a glob; what stands at its begin, a set of characters in brackets. Returns the glob behind it, or
 * NULL if it is not closed. */
static const char *match_bracket(const char *glob, const char *end, char c, bool *fits)
{
    bool invert = glob < end && *glob == '!', found = false;
    const char *first = glob + invert;
    for (glob = first; glob < end && (*glob != ']' || glob == first);) {
        char low = *glob++, high = low;
        if (glob + 1 < end && *glob == '-' && glob[1] != ']') {
            high = glob[1];
            glob += 2;
        }
        found = found || (low <= c && c <= high);
    }
    *fits = found != invert;
    return glob < end ? glob + 1 : 0;
}

/* One character of the glob that is no star against c. Returns the glob behind it, or NULL: does not fit. */
static const char *match_one(const char *glob, const char *end, char c)
{
    bool fits = true;
    if (*glob == '[') {
        const char *behind = match_bracket(glob + 1, end, c, &fits);
        if (behind)
            return fits ? behind : 0;
    }
    if (*glob == '?')
        return glob + 1;
    if (*glob == '\\' && glob + 1 < end)
        glob++;
    return *glob == c ? glob + 1 : 0;
}

static bool match(const char *glob, const char *end, const char *text)
{
    const char *star = 0, *again = 0; /* the last star, and where in text what follows it is tried next */
    for (;;) {
        if (glob < end && *glob == '*') {
            star = ++glob;
            again = text;
            continue;
        }
        if (glob == end && *text == 0)
            return true;
        const char *next = glob < end && *text ? match_one(glob, end, *text) : 0;
        if (next) {
            glob = next;
            text++;
        } else if (star && *again) {
            glob = star;
            text = ++again;
        } else {
            return false;
        }
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* Puts in, or takes out, all functions that fit. False: there are none. */
static bool choose(uint32_t *set, const char *glob, const char *end, bool in)
{
    bool any = false;
    for (size_t i = 0; i < tli_ftrace_records.count; i++) {
        const char *name = tli_ftrace_records.name(tli_ftrace_records.record[i].site);
        if (!name || !match(glob, end, name))
            continue;
        any = true;
        if (in)
            set[i / 32] |= 1u << i % 32;
        else
            set[i / 32] &= ~(1u << i % 32);
    }
    return any;
}

enum tl_status tli_ftrace_set_choose(uint32_t *set, const char *globs)
{
    for (;;) {
        while (is_blank(*globs))
            globs++;
        if (*globs == 0)
            return TL_OK;
        bool in = *globs != '!';
        const char *glob = globs + !in;
        for (globs = glob; *globs && !is_blank(*globs);)
            globs++;
        if (!choose(set, glob, globs, in) && in)
            return TL_BAD_ARGUMENT;
    }
}
