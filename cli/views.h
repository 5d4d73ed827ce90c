/* SPDX-License-Identifier: MIT
 *
 * The views: commands that read a recording and print it. Each takes its own arguments, argv[0] being the verb, prints
 * to standard output, says what goes wrong in one sentence on standard error, and returns the exit status. A reader
 * that goes away (a closed pipe) is no failure. Called by main().
 */
#ifndef TL_CLI_VIEWS_H
#define TL_CLI_VIEWS_H

#include <reader/trace.h>
#include <stdbool.h>

int tl_command_replay(int argc, char **argv);
int tl_command_report(int argc, char **argv);
int tl_command_info(int argc, char **argv);

/* What a view was asked for. */
struct tl_view_options {
    const char *directory;
    bool json, color, selftest, help;
    const char *sort;
    uint64_t min_ns;
    unsigned depth;
    const char **include, **exclude; /* as many as counted; free() the two arrays */
    size_t include_count, exclude_count;
};

/* Which options a view knows, by the short letters of cli.md ("dfxtD"), long-only ones as 'j' (--json), 's' (--sort),
 * 'S' (--selftest). False: said on standard error. */
bool tl_view_options_parse(struct tl_view_options *options, int argc, char **argv, const char *known);
void tl_view_options_free(struct tl_view_options *options);

/* --color WHEN; false: said on standard error. */
bool tl_view_color(const char *when, bool *color);

/* Names of a recording's functions as people write them; made when first asked for. */
struct tl_view_names {
    const struct tl_trace *trace;
    char **shown;
};

bool tl_view_names_init(struct tl_view_names *names, const struct tl_trace *trace);
void tl_view_names_free(struct tl_view_names *names);
const char *tl_view_name(struct tl_view_names *names, uint32_t function);

/* hidden[id - 1] says that -f and -x leave the function out; NULL in *hidden if there are no such options. False: said
 * on standard error (nothing matches, no memory). free() it. */
bool tl_view_hidden(struct tl_view_names *names, const struct tl_view_options *options, uint8_t **hidden);

/* Opens the recording or says why not. */
struct tl_trace *tl_view_open(const struct tl_view_options *options);

/* Flushes standard output; the exit status for a view that printed all it had. */
int tl_view_finish(void);

#define TL_VIEW_FAILED 125

#endif
