/* SPDX-License-Identifier: MIT
 *
 * The command `trapline list`, and which files a process runs. argv[0] is the verb, as for the views (views.h).
 */
#ifndef TL_CLI_LIST_H
#define TL_CLI_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* Returns the exit status: 0, or 1 after one sentence on standard error. */
int tl_command_list(int argc, char **argv);

/* A file to be opened: path is one that this process can open, label what to call it. */
struct tl_list_file {
    char *path, *label;
};

struct tl_list_files {
    struct tl_list_file *files;
    size_t count;
};

/* What target means: a process id (its executable, and with libs all files it has mapped executable) or a file, also
 * one on the search path. False: why not is in error, without a full stop. tl_list_files_free() either way. */
bool tl_list_files_find(struct tl_list_files *out, const char *target, bool libs, char *error, size_t error_bytes);
void tl_list_files_free(struct tl_list_files *files);

#endif
