/* SPDX-License-Identifier: MIT
 *
 * `record`, `live`, `count` and `cover`: their options, and what follows the recording. The session itself is
 * tracer/session.c.
 */
#include <cli/record.h>
#include <cli/views.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tracer/session.h>
#include <wire/control.h>

#define BUFFER_DEFAULT (4u << 20)
#define BUFFER_MAX (1u << 30)
#define SAMPLE_MAX 1000000
#define FLIGHT_MIN (4 * TL_CHUNK_BYTES) /* one is being written and one is to be overwritten next */

struct request {
    struct tl_session_options session;
    const char *include[256], *exclude[256];
    const char *color;
    bool help;
};

static const struct option long_options[] = {
    {"pid", required_argument, NULL, 'p'},
    {"func", required_argument, NULL, 'f'},
    {"exclude", required_argument, NULL, 'x'},
    {"libs", no_argument, NULL, 'l'},
    {"data", required_argument, NULL, 'd'},
    {"min-time", required_argument, NULL, 't'},
    {"depth", required_argument, NULL, 'D'},
    {"for", required_argument, NULL, 'F'},
    {"buffer", required_argument, NULL, 'B'},
    {"flight", no_argument, NULL, 'O'},
    {"sample", required_argument, NULL, 'S'},
    {"color", required_argument, NULL, 'c'},
    {"verbose", no_argument, NULL, 'v'},
    {"quiet", no_argument, NULL, 'q'},
    {"tactic", required_argument, NULL, 'T'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* What keeps numbers has no times, no levels and no ring. */
static const char numbers_not[] = "tDBOS";

static bool keeps_numbers(const struct tl_session_options *session)
{
    return session->mode == TL_RING_COUNT || session->mode == TL_RING_COVER;
}

static void usage(const char *verb, bool numbers)
{
    printf("usage: trapline %s [options] PROG [ARG...]\n"
           "       trapline %s [options] -p PID\n\n"
           "  -p, --pid PID              a running process\n"
           "  -f, --func [MODULE:]GLOB   these functions; repeatable (every function of the executable)\n"
           "  -x, --exclude [MODULE:]GLOB  not these; wins; repeatable\n"
           "  -l, --libs                 functions of shared libraries too\n"
           "  -d, --data DIR             where the recording goes; a DIR that is there is kept as DIR.old "
           "(trapline.data)\n"
           "%s"
           "      --for T                stop after T\n"
           "%s"
           "      --color WHEN           of what is shown then: auto, always, never\n"
           "  -v, -q                     say more, say less\n",
           verb, verb,
           numbers ? ""
                   : "  -t, --min-time T           calls of at least T: 500ns, 10us, 2ms (all)\n"
                     "  -D, --depth N              N levels (all)\n"
                     "      --sample 1/N           each call with this chance, up to 1/1000000 (all)\n",
           numbers
               ? ""
               : "      --buffer SIZE          per thread (4M)\n"
                 "      --flight               overwrite the oldest instead of dropping the newest; SIGUSR2 dumps into "
                 "DIR.1, ...\n");
}

static int wrong(const char *option, const char *value, const char *wanted)
{
    fprintf(stderr, "trapline: %s '%s' is not %s\n", option, value, wanted);
    return TL_EXIT_TRAPLINE;
}

/* 500ns, 10us, 2ms, 3s, 2m; a bare number is seconds. */
static bool parse_time(const char *text, uint64_t *ns)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"", 1e9}, {"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"min", 60e9}, {"h", 3600e9}};
    char *end;
    double value = strtod(text, &end);
    if (end == text || !(value >= 0) || !isdigit((unsigned char)text[0]))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].name) == 0 && value * units[i].ns < 9e18) {
            *ns = (uint64_t)(value * units[i].ns);
            return true;
        }
    }
    return false;
}

/* 64K, 4M, 1G; rounded up to whole chunks. */
static bool parse_size(const char *text, uint32_t *bytes)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (end == text || !isdigit((unsigned char)text[0]))
        return false;
    unsigned shift = *end == 'k' || *end == 'K'   ? 10
                     : *end == 'm' || *end == 'M' ? 20
                     : *end == 'g' || *end == 'G' ? 30
                                                  : 0;
    if (shift)
        end++;
    if (*end == 'B')
        end++;
    if (*end || value == 0 || value > BUFFER_MAX >> shift)
        return false;
    value = ((value << shift) + TL_CHUNK_BYTES - 1) / TL_CHUNK_BYTES * TL_CHUNK_BYTES;
    *bytes = (uint32_t)(value < 2 * TL_CHUNK_BYTES ? 2 * TL_CHUNK_BYTES : value);
    return true;
}

static bool parse_number(const char *text, long most, long *value)
{
    char *end;
    errno = 0;
    *value = strtol(text, &end, 10);
    return end != text && !*end && !errno && *value > 0 && *value <= most;
}

/* 1/N */
static bool parse_part(const char *text, uint32_t *one_in)
{
    long number;
    if (strncmp(text, "1/", 2) != 0 || !isdigit((unsigned char)text[2]) ||
        !parse_number(text + 2, SAMPLE_MAX, &number) || number < 2)
        return false;
    *one_in = (uint32_t)number;
    return true;
}

static int take_pattern(const char **patterns, size_t *count, const char *pattern)
{
    if (*count == 256) {
        fputs("trapline: more than 256 patterns\n", stderr);
        return TL_EXIT_TRAPLINE;
    }
    patterns[(*count)++] = pattern;
    return 0;
}

static int take_option(struct request *request, int option, const char *value)
{
    struct tl_session_options *session = &request->session;
    long number;
    bool color;
    if (keeps_numbers(session) && strchr(numbers_not, option)) {
        fputs("trapline: count and cover know no -t, -D, --buffer, --flight and --sample: they keep no calls\n",
              stderr);
        return TL_EXIT_TRAPLINE;
    }
    switch (option) {
    case 'p':
        if (!parse_number(value, 1L << 30, &number))
            return wrong("-p", value, "a process id");
        session->pid = (pid_t)number;
        return 0;
    case 'f':
        return take_pattern(request->include, &session->filter.include_count, value);
    case 'x':
        return take_pattern(request->exclude, &session->filter.exclude_count, value);
    case 'l':
        session->libraries = true;
        return 0;
    case 'd':
        session->directory = value;
        return 0;
    case 't':
        return parse_time(value, &session->min_ns) ? 0 : wrong("-t", value, "a time like 500ns, 10us or 2ms");
    case 'D':
        if (!parse_number(value, 1000000, &number))
            return wrong("-D", value, "a number of levels");
        session->depth = (unsigned)number;
        return 0;
    case 'F':
        return parse_time(value, &session->for_ns) && session->for_ns
                   ? 0
                   : wrong("--for", value, "a time like 3s or 500ms");
    case 'B':
        return parse_size(value, &session->buffer_bytes)
                   ? 0
                   : wrong("--buffer", value, "a size like 512K or 4M, 1G at most");
    case 'S':
        return parse_part(value, &session->one_in) ? 0 : wrong("--sample", value, "1/N with N from 2 to 1000000");
    case 'O':
        session->mode = TL_RING_FLIGHT;
        return 0;
    case 'c':
        request->color = value;
        return tl_view_color(value, &color) ? 0 : TL_EXIT_TRAPLINE;
    case 'T':
        number = tl_tactic_named(value);
        session->filter.force = (uint8_t)number;
        return number > 0 ? 0 : wrong("--tactic", value, "sled, jump, short or trap");
    case 'v':
        session->verbose = 1;
        return 0;
    case 'q':
        session->verbose = -1;
        return 0;
    case 'h':
        request->help = true;
        return 0;
    default:
        return TL_EXIT_TRAPLINE; /* getopt has said it */
    }
}

static int parse(struct request *request, int argc, char **argv)
{
    int option, status;
    struct tl_session_options *session = &request->session;
    session->buffer_bytes = BUFFER_DEFAULT;
    session->filter.include = request->include;
    session->filter.exclude = request->exclude;
    optind = 0; /* glibc: start anew, with the '+' in mind */
    while ((option = getopt_long(argc, argv, "+p:f:x:ld:t:D:vqh", long_options, NULL)) != -1)
        if ((status = take_option(request, option, optarg)) != 0)
            return status;
    if (request->help)
        return 0;
    if (session->mode == TL_RING_FLIGHT && session->buffer_bytes < FLIGHT_MIN)
        session->buffer_bytes = FLIGHT_MIN;
    if (session->one_in && session->depth) {
        fputs("trapline: --sample and -D do not go together: which level a call is on is not known without all the "
              "others\n",
              stderr);
        return TL_EXIT_TRAPLINE;
    }
    if (session->pid && optind < argc) {
        fprintf(stderr, "trapline: both -p %d and a program, '%s', are given; one of them, please\n", (int)session->pid,
                argv[optind]);
        return TL_EXIT_TRAPLINE;
    }
    if (!session->pid && optind == argc) {
        fputs("trapline: no program and no -p PID; 'trapline --help' shows how it is called\n", stderr);
        return TL_EXIT_TRAPLINE;
    }
    session->argv = argv + optind;
    return 0;
}

/* Records; false: there is nothing more to do. */
static bool record(struct request *request, const char *verb, int argc, char **argv, int *status)
{
    bool recorded;
    argv[0] = (char *)(uintptr_t) "trapline";
    *status = parse(request, argc, argv);
    if (*status || request->help) {
        if (request->help)
            usage(verb, keeps_numbers(&request->session));
        return false;
    }
    if (!request->session.directory)
        request->session.directory = "trapline.data";
    *status = tl_session_run(&request->session, &recorded);
    return recorded;
}

int tl_command_record(int argc, char **argv)
{
    struct request request = {0};
    int status;
    record(&request, "record", argc, argv, &status);
    return status;
}

/* Shows what has been recorded, by a view. */
static void show(const struct request *request, const char *view, int (*command)(int argc, char **argv))
{
    char *argv[] = {(char *)(uintptr_t)view,
                    "-d",
                    (char *)(uintptr_t)request->session.directory,
                    request->color ? "--color" : NULL,
                    (char *)(uintptr_t)request->color,
                    NULL};
    command(request->color ? 5 : 3, argv);
}

int tl_command_live(int argc, char **argv)
{
    struct request request = {0};
    int status;
    if (record(&request, "live", argc, argv, &status))
        show(&request, "replay", tl_command_replay);
    return status;
}

int tl_command_count(int argc, char **argv)
{
    struct request request = {.session.mode = TL_RING_COUNT};
    int status;
    if (record(&request, "count", argc, argv, &status))
        show(&request, "report", tl_command_report);
    return status;
}

int tl_command_cover(int argc, char **argv)
{
    struct request request = {.session.mode = TL_RING_COVER};
    int status;
    if (record(&request, "cover", argc, argv, &status))
        show(&request, "report", tl_command_report);
    return status;
}
