/* SPDX-License-Identifier: MIT
 *
 * Figures and strings as people and programs read them; see text.h. Called by the commands.
 */
#include <cli/text.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *unit;
    uint64_t ns;
} units[] = {
    {"us", 1000}, {"ms", 1000000}, {" s", 1000000000}, {" m", 60000000000}, {" h", 3600000000000},
};

const char *tl_text_duration(char to[TL_TEXT_DURATION_BYTES], uint64_t ns)
{
    size_t i = 0;
    while (i + 1 < sizeof units / sizeof *units && ns / units[i].ns >= 1000)
        i++;
    uint64_t whole = ns / units[i].ns;
    uint64_t thousandths = (uint64_t)((unsigned __int128)(ns % units[i].ns) * 1000 / units[i].ns);
    snprintf(to, TL_TEXT_DURATION_BYTES, "%4llu.%03llu %s", (unsigned long long)whole, (unsigned long long)thousandths,
             units[i].unit);
    return to;
}

const char *tl_text_count(char to[32], uint64_t count)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    char *end = to;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *end++ = ',';
        *end++ = digits[i];
    }
    *end = '\0';
    return to;
}

const char *tl_text_bytes(char to[32], uint64_t bytes)
{
    static const char *const names[] = {"bytes", "kB", "MB", "GB", "TB"};
    double size = (double)bytes;
    size_t i = 0;
    while (size >= 999.95 && i + 1 < sizeof names / sizeof *names) {
        size /= 1000;
        i++;
    }
    snprintf(to, 32, i == 0 ? "%.0f %s" : "%.1f %s", size, names[i]);
    return to;
}

/* Length of the UTF-8 character at text; 0: none (RFC 3629). */
static size_t utf8_length(const unsigned char *text)
{
    size_t length = text[0] < 0x80 ? 1 : text[0] < 0xc2 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    if (text[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    bool outside = (text[0] == 0xed && text[1] > 0x9f) || (text[0] == 0xf4 && text[1] > 0x8f);
    return overlong || outside ? 0 : length;
}

void tl_text_json(FILE *to, const char *text)
{
    putc('"', to);
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        size_t length = utf8_length(at);
        if (length == 0) {
            fputs("\\ufffd", to);
            length = 1;
        } else if (*at == '"' || *at == '\\') {
            fprintf(to, "\\%c", *at);
        } else if (*at < 0x20 || *at == 0x7f) {
            fprintf(to, "\\u%04x", *at);
        } else {
            fwrite(at, 1, length, to);
        }
        at += length;
    }
    putc('"', to);
}

void tl_text_plain(FILE *to, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        size_t length = utf8_length(at);
        bool c1 = at[0] == 0xc2 && at[1] < 0xa0; /* the control characters from U+0080 on */
        if (length == 0 || *at < 0x20 || *at == 0x7f || c1) {
            fprintf(to, "\\x%02x", *at++);
            continue;
        }
        fwrite(at, 1, length, to);
        at += length;
    }
}

bool tl_text_duration_parse(const char *text, uint64_t *ns)
{
    static const struct {
        const char *unit;
        double ns;
    } known[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    if (strspn(text, "0123456789") == 0)
        return false;
    char *unit;
    double number = strtod(text, &unit);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(unit, known[i].unit) != 0)
            continue;
        double product = number * known[i].ns;
        if (!(product < 9e18))
            return false;
        *ns = (uint64_t)(product + 0.5);
        return true;
    }
    return false;
}
