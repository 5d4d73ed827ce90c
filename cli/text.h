/* SPDX-License-Identifier: MIT
 *
 * How figures and strings look: durations, counts, sizes, JSON strings; and reading a duration as people write it. No
 * output but to the stream given. Called by the commands.
 */
#ifndef TL_CLI_TEXT_H
#define TL_CLI_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TL_TEXT_DURATION_BYTES 48

/* "   2.107 us": 11 characters, the point always in the same column. Returns to. */
const char *tl_text_duration(char to[TL_TEXT_DURATION_BYTES], uint64_t ns);

/* "12,345,678". Returns to. */
const char *tl_text_count(char to[32], uint64_t count);

/* "98.8 MB", powers of ten. Returns to. */
const char *tl_text_bytes(char to[32], uint64_t bytes);

/* A JSON string with its quotes. What is not UTF-8 comes out as U+FFFD, so the result always is. */
void tl_text_json(FILE *to, const char *text);

/* The text with what would not be text on a terminal as \xHH: names come from files that anybody may have made. */
void tl_text_plain(FILE *to, const char *text);

/* "500ns", "10us", "2ms", "1.5s", "1m", "1h". False: not a duration. */
bool tl_text_duration_parse(const char *text, uint64_t *ns);

#endif
