/* SPDX-License-Identifier: MIT
 *
 * The progress line. See progress.h. The work does not look at the clock: a signal comes after a second, if the work
 * still lasts, and shows what was said last.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <tracer/progress.h>
#include <unistd.h>

static char line[160];
static volatile sig_atomic_t length, shown;
static bool running;
static struct sigaction before;

/* Only write(2): it comes anywhere. */
static void show(int signal)
{
    static const char clear[] = "\r\033[K";
    shown = 1;
    if (write(STDERR_FILENO, clear, sizeof(clear) - 1) > 0 && signal != 0 &&
        write(STDERR_FILENO, line, (size_t)length) < 0)
        shown = 0;
}

static void set_timer(long seconds)
{
    struct itimerval timer = {.it_value.tv_sec = seconds};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void begin(void)
{
    struct sigaction action = {.sa_handler = show, .sa_flags = SA_RESTART};
    running = true;
    shown = 0;
    sigaction(SIGALRM, &action, &before);
    set_timer(1);
}

void tl_progress(const char *format, ...)
{
    sigset_t alarm, mask;
    va_list arguments;
    if (!isatty(STDERR_FILENO))
        return;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    sigprocmask(SIG_BLOCK, &alarm, &mask);
    va_start(arguments, format);
    int wanted = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    length = wanted < (int)sizeof(line) ? wanted : (int)sizeof(line) - 1;
    if (!running)
        begin();
    else if (shown)
        show(SIGALRM);
    sigprocmask(SIG_SETMASK, &mask, NULL);
}

void tl_progress_end(void)
{
    if (!running)
        return;
    running = false;
    set_timer(0);
    sigaction(SIGALRM, &before, NULL);
    if (shown)
        show(0);
}
