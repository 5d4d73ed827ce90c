/* SPDX-License-Identifier: MIT
 *
 * The options of the views, in the letters of getopt. Called by replay, report and info.
 */
#include <cli/text.h>
#include <cli/views.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct option long_options[] = {
    {"data", required_argument, NULL, 'd'},
    {"func", required_argument, NULL, 'f'},
    {"exclude", required_argument, NULL, 'x'},
    {"min-time", required_argument, NULL, 't'},
    {"depth", required_argument, NULL, 'D'},
    {"sort", required_argument, NULL, 's'},
    {"json", no_argument, NULL, 'j'},
    {"color", required_argument, NULL, 'c'},
    {"selftest", no_argument, NULL, 'S'},
    {"help", no_argument, NULL, 'h'},
    {"verbose", no_argument, NULL, 'v'},
    {"quiet", no_argument, NULL, 'q'},
    {NULL, 0, NULL, 0},
};

static bool complain(const char *what, const char *value, const char *hint)
{
    fprintf(stderr, "trapline: %s '%s'%s\n", what, value, hint);
    return false;
}

bool tl_view_color(const char *when, bool *color)
{
    const char *term = getenv("TERM"), *none = getenv("NO_COLOR");
    if (strcmp(when, "always") == 0)
        *color = true;
    else if (strcmp(when, "never") == 0)
        *color = false;
    else if (strcmp(when, "auto") == 0)
        *color = isatty(STDOUT_FILENO) && !(none && *none) && term && strcmp(term, "dumb") != 0;
    else
        return complain("--color knows auto, always and never, not", when, "");
    return true;
}

static bool parse_depth(struct tl_view_options *options, const char *text)
{
    char *end;
    errno = 0;
    unsigned long depth = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || depth == 0 || depth > 1u << 30)
        return complain("--depth takes a number of levels, at least 1, not", text, "");
    options->depth = (unsigned)depth;
    return true;
}

static bool parse_one(struct tl_view_options *options, int letter, const char *value)
{
    switch (letter) {
    case 'd':
        options->directory = value;
        return true;
    case 'f':
        options->include[options->include_count++] = value;
        return true;
    case 'x':
        options->exclude[options->exclude_count++] = value;
        return true;
    case 't':
        return tl_text_duration_parse(value, &options->min_ns) ||
               complain("--min-time takes a time like 500ns, 10us or 2ms, not", value, "");
    case 'D':
        return parse_depth(options, value);
    case 's':
        options->sort = value;
        return true;
    case 'c':
        return tl_view_color(value, &options->color);
    case 'j':
        options->json = true;
        return true;
    case 'S':
        options->selftest = true;
        return true;
    case 'h':
        options->help = true;
        return true;
    default: /* -v and -q: views print what they have and nothing else */
        return true;
    }
}

bool tl_view_options_parse(struct tl_view_options *options, int argc, char **argv, const char *known)
{
    memset(options, 0, sizeof *options);
    options->directory = "trapline.data";
    options->include = calloc((size_t)argc + 1, sizeof *options->include);
    options->exclude = calloc((size_t)argc + 1, sizeof *options->exclude);
    if (!options->include || !options->exclude) {
        fprintf(stderr, "trapline: out of memory\n");
        return false;
    }
    tl_view_color("auto", &options->color);
    optind = 0; /* glibc: begin anew, as other commands of this process may have parsed */
    opterr = 0;
    for (int letter; (letter = getopt_long(argc, argv, "+:d:f:x:t:D:hvq", long_options, NULL)) != -1;) {
        const char *said = optind > 0 && optind <= argc ? argv[optind - 1] : "";
        if (letter == ':')
            return complain("a value is missing after", said, "");
        if (letter == '?' || (!strchr("hvqcd", letter) && !strchr(known, letter)))
            return complain("not an option of this command:", said, " ('trapline --help' shows all)");
        if (!parse_one(options, letter, optarg))
            return false;
    }
    if (optind < argc)
        return complain("nothing is to be done with", argv[optind], " (-d DIR names a recording)");
    return true;
}

void tl_view_options_free(struct tl_view_options *options)
{
    free(options->include);
    free(options->exclude);
}
