/* SPDX-License-Identifier: MIT
 *
 * The command: finds the verb and hands over.
 */
#include <cli/record.h>
#include <cli/views.h>
#include <stdio.h>
#include <string.h>

#define VERSION "0.1.0"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} verbs[] = {
    {"record", tl_command_record}, {"live", tl_command_live},   {"replay", tl_command_replay},
    {"report", tl_command_report}, {"list", tl_command_list},   {"info", tl_command_info},
    {"count", tl_command_count},   {"cover", tl_command_cover},
};

static int usage(void)
{
    puts("usage: trapline [options] PROG [ARG...]          run PROG and show its calls (the verb live)\n"
         "       trapline [options] -p PID                 the same for a running process\n"
         "       trapline record [options] PROG [ARG...]   run PROG and record its calls\n"
         "       trapline record [options] -p PID          until ^C, its end, or --for\n"
         "       trapline live   ...                       record, then replay\n"
         "       trapline count  ...                       only count the calls, then report\n"
         "       trapline cover  ...                       only note which functions are called, then report\n"
         "       trapline replay [-d DIR]                  the calls, indented, per thread\n"
         "       trapline report [-d DIR]                  one row a function\n"
         "       trapline list   PID | FILE [GLOB...]      what can be traced, and how\n"
         "       trapline info   [-d DIR] | --selftest     about a recording | check this machine\n\n"
         "'trapline VERB --help' shows the options of a verb; trapline(1) has all of it.");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
            if (strcmp(argv[1], verbs[i].name) == 0)
                return verbs[i].run(argc - 1, argv + 1);
        if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
            return usage();
        if (strcmp(argv[1], "--version") == 0) {
            puts("trapline " VERSION);
            return 0;
        }
    }
    return tl_command_live(argc, argv);
}
