/* SPDX-License-Identifier: MIT
 *
 * `trapline list`: what of a program can be traced, and how; what cannot, and why. Plans the file as recording
 * would, touches no process. Called by main().
 */
#include <cli/list.h>
#include <cli/text.h>
#include <cli/views.h>
#include <getopt.h>
#include <inttypes.h>
#include <plan/plan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tracer/progress.h>

enum { OPTION_JSON = 256, OPTION_TACTIC, NEAREST = 3, REASONS_MAX = 32 };

struct list {
    const char *target;
    bool json, libs, help;
    struct tl_filter filter;
    struct tl_list_files files;
    struct tl_module **modules;
    size_t module_count;
};

struct coverage {
    size_t functions, entry[TL_TACTIC_TRAP + 1], exits[TL_EXITS_TRAP + 1];
    struct {
        const char *why;
        size_t count;
    } reasons[REASONS_MAX];
    size_t reason_count;
};

static const char *const exit_ways[] = {"none", "site", "hook", "trap"};

static const char usage[] = "Usage: trapline list [options] PID | FILE [GLOB...]\n"
                            "What can be traced of a program, and how.\n\n"
                            "  -f, --func [MODULE:]GLOB     these functions; repeatable; the same as GLOB\n"
                            "  -x, --exclude [MODULE:]GLOB  not these; wins; repeatable\n"
                            "  -l, --libs                   of a process: functions of its shared libraries too\n"
                            "      --json                   JSON instead of a table\n"
                            "      --color WHEN, -v, -q     as everywhere: a list is the same with any of them\n"
                            "  -h, --help                   this text\n";

static bool append(const char ***list, size_t *count, const char *pattern)
{
    const char **grown = reallocarray(*list, *count + 1, sizeof *grown);
    if (!grown)
        return false;
    *list = grown;
    grown[(*count)++] = pattern;
    return true;
}

static int fail(const char *sentence)
{
    fprintf(stderr, "trapline: %s\n", sentence);
    return TL_VIEW_FAILED;
}

static bool parse(struct list *list, int argc, char **argv)
{
    static const struct option names[] = {{"func", required_argument, NULL, 'f'},
                                          {"exclude", required_argument, NULL, 'x'},
                                          {"libs", no_argument, NULL, 'l'},
                                          {"json", no_argument, NULL, OPTION_JSON},
                                          {"help", no_argument, NULL, 'h'},
                                          {"color", required_argument, NULL, 'c'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"tactic", required_argument, NULL, OPTION_TACTIC},
                                          {NULL, 0, NULL, 0}};
    bool ok = true, color;
    int option, tactic;
    optind = 0; /* begin anew, GNU's way */
    opterr = 0;
    while (ok && (option = getopt_long(argc, argv, ":f:x:lvqh", names, NULL)) != -1) {
        if (option == 'f')
            ok = append(&list->filter.include, &list->filter.include_count, optarg);
        else if (option == 'x')
            ok = append(&list->filter.exclude, &list->filter.exclude_count, optarg);
        else if (option == 'l')
            list->libs = true;
        else if (option == OPTION_JSON)
            list->json = true;
        else if (option == 'h')
            list->help = true;
        else if (option == 'c') {
            if (!tl_view_color(optarg, &color))
                return false;
        } else if (option == OPTION_TACTIC) {
            if ((tactic = tl_tactic_named(optarg)) <= 0)
                return fail("--tactic is one of sled, jump, short, trap"), false;
            list->filter.force = (uint8_t)tactic;
        } else if (option != 'v' && option != 'q') { /* a list has no colours, and prints what it has */
            fprintf(stderr,
                    option == ':' ? "trapline: option '%s' needs a value ('trapline list --help' shows how)\n"
                                  : "trapline: 'list' has no option '%s' ('trapline list --help' shows all)\n",
                    argv[optind - 1]);
            return false;
        }
    }
    if (optind < argc)
        list->target = argv[optind++];
    while (ok && optind < argc)
        ok = append(&list->filter.include, &list->filter.include_count, argv[optind++]);
    if (ok && !list->target && !list->help)
        return fail("list what? Give a process id or a file ('trapline list --help' shows how)"), false;
    return ok || (fail("out of memory"), false);
}

/* The executable must be readable; of the libraries those that are none, or are gone, are left out. */
static bool open_modules(struct list *list)
{
    char error[4608];
    if (!tl_list_files_find(&list->files, list->target, list->libs, error, sizeof error))
        return fail(error), false;
    list->modules = calloc(list->files.count, sizeof *list->modules);
    for (size_t i = 0; list->modules && i < list->files.count; i++) {
        const struct tl_list_file *file = &list->files.files[i];
        tl_progress("planning '%s'", file->label ? file->label : file->path);
        struct tl_module *module = tl_module_open(file->path, file->label, error, sizeof error);
        if (module)
            list->modules[list->module_count++] = module;
        else if (tl_progress_end(), i == 0)
            return fail(error), false;
        else
            fprintf(stderr, "trapline: left out: %s\n", error);
    }
    return list->modules ? true : (fail("out of memory"), false);
}

static void say_no_match(struct list *list)
{
    const char *names[NEAREST];
    struct tl_module *module = list->modules[0];
    const char *pattern = list->filter.include_count ? list->filter.include[0] : "";
    size_t count = list->filter.include_count ? tl_module_nearest(module, pattern, names, NEAREST) : 0;
    if (!list->filter.include_count) {
        fprintf(stderr, "trapline: '%s' has no functions%s\n", module->name,
                list->filter.exclude_count ? " but the excluded ones" : "");
        return;
    }
    fprintf(stderr, "trapline: no function of '%s' matches '%s'", module->name, pattern);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "%s'%s'", i ? ", " : count > 1 ? "; the nearest are " : "; the nearest is ", names[i]);
    fprintf(stderr, " ('trapline list %s' shows all)\n", list->target);
}

static void count_function(struct coverage *coverage, const struct tl_plan_function *f)
{
    size_t i = 0;
    coverage->functions++;
    coverage->entry[f->entry]++;
    coverage->exits[f->exits]++;
    while (i < coverage->reason_count && strcmp(coverage->reasons[i].why, f->why) != 0)
        i++;
    if (!*f->why || i == REASONS_MAX)
        return;
    if (i == coverage->reason_count) {
        coverage->reasons[i].why = f->why;
        coverage->reasons[i].count = 0;
        coverage->reason_count++;
    }
    coverage->reasons[i].count++;
}

/* A new string, or NULL. */
static char *shown_name(const struct tl_module *module, const struct tl_plan_function *f)
{
    char *name = NULL;
    if (f->name)
        return tl_demangle(f->name);
    return asprintf(&name, "%s+0x%" PRIx64, module->name, f->address) < 0 ? NULL : name;
}

static void print_json_function(const struct tl_module *module, const struct tl_plan_function *f, bool first)
{
    char *name = shown_name(module, f);
    printf("%s\n  {\"name\": ", first ? "" : ",");
    tl_text_json(stdout, name ? name : "");
    printf(", \"module\": ");
    tl_text_json(stdout, module->name);
    printf(", \"address\": \"0x%" PRIx64 "\", \"size\": %" PRIu64 ", \"entry\": \"%s\", \"exits\": \"%s\", \"why\": ",
           f->address, f->size, tl_tactic_names[f->entry], exit_ways[f->exits]);
    tl_text_json(stdout, f->why);
    putchar('}');
    free(name);
}

static void print_row(const struct tl_module *module, const struct tl_plan_function *f, bool with_module)
{
    char *name = shown_name(module, f);
    printf("%#14" PRIx64 " %8" PRIu64 "  %-5s  %-5s  %s%s%s", f->address, f->size, tl_tactic_names[f->entry],
           exit_ways[f->exits], with_module && f->name ? module->name : "", with_module && f->name ? ":" : "",
           name ? name : "");
    if (*f->why)
        printf("  (%s)", f->why);
    putchar('\n');
    free(name);
}

static void print_coverage(const struct coverage *c)
{
    char text[32];
    printf("\n%s function%s: ", tl_text_count(text, c->functions), c->functions == 1 ? "" : "s");
    if (c->entry[TL_TACTIC_SLED])
        printf("%s by sled, ", tl_text_count(text, c->entry[TL_TACTIC_SLED]));
    printf("%s by jump, ", tl_text_count(text, c->entry[TL_TACTIC_JUMP]));
    if (c->entry[TL_TACTIC_SHORT])
        printf("%s by short jump, ", tl_text_count(text, c->entry[TL_TACTIC_SHORT]));
    printf("%s by trap, ", tl_text_count(text, c->entry[TL_TACTIC_TRAP]));
    printf("%s not\n", tl_text_count(text, c->entry[TL_TACTIC_NONE]));
    printf("their exits: %s by site, ", tl_text_count(text, c->exits[TL_EXITS_SITE]));
    printf("%s by trap, ", tl_text_count(text, c->exits[TL_EXITS_TRAP]));
    printf("%s none\n", tl_text_count(text, c->exits[TL_EXITS_NONE]));
    for (size_t i = 0; i < c->reason_count; i++)
        printf("%10s %s\n", tl_text_count(text, c->reasons[i].count), c->reasons[i].why);
}

static void print(const struct list *list)
{
    struct coverage coverage = {0};
    printf(list->json ? "{\"functions\": [" : "       ADDRESS     SIZE  ENTRY  EXITS  FUNCTION\n");
    for (size_t m = 0; m < list->module_count; m++) {
        const struct tl_module *module = list->modules[m];
        for (size_t i = 0; i < module->function_count; i++) {
            const struct tl_plan_function *f = &module->functions[i];
            if (!f->selected)
                continue;
            if (list->json)
                print_json_function(module, f, coverage.functions == 0);
            else
                print_row(module, f, list->module_count > 1);
            count_function(&coverage, f);
        }
    }
    if (!list->json) {
        print_coverage(&coverage);
        return;
    }
    printf("],\n \"coverage\": {\"functions\": %zu, \"sled\": %zu, \"jump\": %zu, \"short\": %zu, \"trap\": %zu, "
           "\"none\": %zu}}\n",
           coverage.functions, coverage.entry[TL_TACTIC_SLED], coverage.entry[TL_TACTIC_JUMP],
           coverage.entry[TL_TACTIC_SHORT], coverage.entry[TL_TACTIC_TRAP], coverage.entry[TL_TACTIC_NONE]);
}

static int run(struct list *list)
{
    size_t selected = 0;
    if (!open_modules(list))
        return TL_VIEW_FAILED;
    for (size_t i = 0; i < list->module_count; i++) {
        selected += tl_module_select(list->modules[i], &list->filter);
        if (!tl_module_plan(list->modules[i]))
            return fail("out of memory");
    }
    tl_progress_end();
    if (!selected) {
        say_no_match(list);
        return TL_VIEW_FAILED;
    }
    print(list);
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : fail("cannot write to standard output");
}

int tl_command_list(int argc, char **argv)
{
    struct list list = {0};
    int status = TL_VIEW_FAILED;
    if (parse(&list, argc, argv)) {
        if (list.help) {
            fputs(usage, stdout);
            status = 0;
        } else {
            status = run(&list);
        }
    }
    for (size_t i = 0; i < list.module_count; i++)
        tl_module_close(list.modules[i]);
    free(list.modules);
    tl_list_files_free(&list.files);
    free(list.filter.include);
    free(list.filter.exclude);
    return status;
}
