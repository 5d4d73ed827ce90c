/* SPDX-License-Identifier: MIT
 *
 * What the views have in common: opening the recording, names as people write them, -f and -x, the end of the output.
 * Called by replay, report and info.
 */
#include <cli/views.h>
#include <errno.h>
#include <fnmatch.h>
#include <plan/plan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tl_trace *tl_view_open(const struct tl_view_options *options)
{
    char error[600];
    struct tl_trace *trace = tl_trace_open(options->directory, error, sizeof error);
    if (!trace)
        fprintf(stderr, "trapline: %s\n", error);
    if (trace && trace->info.counted && (options->min_ns || options->depth)) {
        fprintf(stderr, "trapline: '%s' holds no calls: -t and -D do not go with it\n", options->directory);
        tl_trace_close(trace);
        return NULL;
    }
    return trace;
}

int tl_view_finish(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    if (errno == EPIPE || errno == 0)
        return 0; /* who read it has seen enough */
    fprintf(stderr, "trapline: cannot write the output: %s\n", strerror(errno));
    return TL_VIEW_FAILED;
}

bool tl_view_names_init(struct tl_view_names *names, const struct tl_trace *trace)
{
    names->trace = trace;
    names->shown = calloc(trace->function_count + 1, sizeof *names->shown);
    if (!names->shown)
        fprintf(stderr, "trapline: out of memory\n");
    return names->shown != NULL;
}

void tl_view_names_free(struct tl_view_names *names)
{
    for (size_t i = 0; names->shown && i < names->trace->function_count; i++)
        free(names->shown[i]);
    free(names->shown);
}

static char *make_name(const struct tl_trace *trace, const struct tl_trace_function *function)
{
    char *name = NULL;
    if (function->name)
        return tl_demangle(function->name);
    if (asprintf(&name, "%s+0x%llx", trace->modules[function->module].name, (unsigned long long)function->address) < 0)
        return NULL;
    return name;
}

const char *tl_view_name(struct tl_view_names *names, uint32_t function)
{
    char **shown = &names->shown[function - 1];
    if (!*shown)
        *shown = make_name(names->trace, &names->trace->functions[function - 1]);
    return *shown ? *shown : "?";
}

/* The length of name without its argument list, for C++: "f(int) const" is "f". What opens the last group of
 * parentheses that closes behind it ends the name; operator() has its own. */
static size_t bare_length(const char *name)
{
    const char *close = strrchr(name, ')');
    int depth = 0;
    for (const char *at = close; at && at > name; at--) {
        depth += *at == ')';
        depth -= *at == '(';
        if (depth == 0)
            return (size_t)(at - name);
    }
    return strlen(name);
}

static bool matches_name(const char *glob, const char *name)
{
    if (fnmatch(glob, name, 0) == 0)
        return true;
    size_t length = bare_length(name);
    if (length == strlen(name))
        return false;
    char *bare = strndup(name, length);
    bool matches = bare && fnmatch(glob, bare, 0) == 0;
    free(bare);
    return matches;
}

/* [MODULE:]GLOB; a colon that stands alone ends the module, as "::" is part of a C++ name. */
static bool matches(struct tl_view_names *names, const char *pattern, uint32_t id)
{
    const struct tl_trace_function *function = &names->trace->functions[id - 1];
    for (const char *colon = strchr(pattern, ':'); colon; colon = strchr(colon + 1, ':')) {
        if (colon[1] == ':') {
            colon++;
            continue;
        }
        char *module = strndup(pattern, (size_t)(colon - pattern));
        bool applies = module && (!*module || fnmatch(module, names->trace->modules[function->module].name, 0) == 0);
        free(module);
        if (!applies)
            return false;
        pattern = colon + 1;
        break;
    }
    if (strcmp(pattern, "*") == 0 || (function->name && fnmatch(pattern, function->name, 0) == 0))
        return true;
    return matches_name(pattern, tl_view_name(names, id));
}

static bool any_matches(struct tl_view_names *names, const char **patterns, size_t count, uint32_t id, bool *used)
{
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (matches(names, patterns[i], id))
            any = used[i] = true;
    }
    return any;
}

bool tl_view_hidden(struct tl_view_names *names, const struct tl_view_options *options, uint8_t **hidden)
{
    *hidden = NULL;
    if (options->include_count + options->exclude_count == 0)
        return true;
    size_t count = names->trace->function_count;
    bool *used = calloc(options->include_count + options->exclude_count, sizeof *used);
    *hidden = calloc(count + 1, 1);
    if (!used || !*hidden) {
        free(used);
        fprintf(stderr, "trapline: out of memory\n");
        return false;
    }
    bool *exclude_used = used + options->include_count, fine = true;
    for (uint32_t id = 1; id <= count; id++) {
        bool in = any_matches(names, options->include, options->include_count, id, used);
        bool out = any_matches(names, options->exclude, options->exclude_count, id, exclude_used);
        (*hidden)[id - 1] = out || (options->include_count > 0 && !in);
    }
    for (size_t i = 0; i < options->include_count && fine; i++) {
        fine = used[i];
        if (!fine)
            fprintf(stderr,
                    "trapline: no function of the recording '%s' matches '%s' ('trapline report -d %s' shows all)\n",
                    options->directory, options->include[i], options->directory);
    }
    free(used);
    return fine;
}
