/* SPDX-License-Identifier: MIT
 *
 * Other programs are started in every way there is: vfork+exec, posix_spawn, system, popen, fork+exec. Children print
 * which signals they find blocked, ignored and caught, so a run under a tracer must print the same.
 */
#include "traced.h"
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char *const signals_shown[] = {"grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status", NULL};

static TRACED void f_reap(pid_t child, int wanted)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == wanted);
}

static TRACED void f_vfork(void)
{
    pid_t child = vfork();
    CHECK(child >= 0);
    if (child == 0) {
        execvp(signals_shown[0], signals_shown);
        _exit(127);
    }
    f_reap(child, 0);
}

static TRACED void f_fork(void)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        execvp(signals_shown[0], signals_shown);
        _exit(127);
    }
    f_reap(child, 0);
}

/* With attributes that make the library change signal masks and handlers in the child before it executes. */
static TRACED void f_spawn(int with_attributes)
{
    pid_t child;
    sigset_t some;
    posix_spawnattr_t attributes;

    CHECK(posix_spawnattr_init(&attributes) == 0);
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    sigaddset(&some, SIGTRAP);
    CHECK(posix_spawnattr_setsigmask(&attributes, &some) == 0);
    CHECK(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK) == 0);
    CHECK(posix_spawnp(&child, signals_shown[0], NULL, with_attributes ? &attributes : NULL, signals_shown, environ) ==
          0);
    f_reap(child, 0);
    CHECK(posix_spawnattr_destroy(&attributes) == 0);
    CHECK(posix_spawnp(&child, "/nonexistent/program", NULL, NULL, signals_shown, environ) == ENOENT);
}

static TRACED void f_system(void)
{
    CHECK(WEXITSTATUS(system("exit 5")) == 5);
    CHECK(system("echo by system") == 0);
}

static TRACED void f_popen(void)
{
    char line[64] = "";
    FILE *pipe = popen("echo by popen; exit 3", "r");
    CHECK(pipe != NULL);
    CHECK(fgets(line, sizeof line, pipe) != NULL && strcmp(line, "by popen\n") == 0);
    CHECK(WEXITSTATUS(pclose(pipe)) == 3);
}

static TRACED void f_signals(void)
{
    sigset_t some;
    sigemptyset(&some);
    sigaddset(&some, SIGTRAP);
    sigaddset(&some, SIGILL);
    sigaddset(&some, SIGUSR2);
    CHECK(sigprocmask(SIG_BLOCK, &some, NULL) == 0);
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    f_vfork();
    f_fork();
    f_spawn(0);
    f_spawn(1);
    CHECK(sigprocmask(SIG_UNBLOCK, &some, NULL) == 0);
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 0; i < 5; i++) {
        f_vfork();
        f_fork();
        f_spawn(i & 1);
        f_system();
        f_popen();
        f_signals();
    }
    COUNT(f_vfork, 10);
    COUNT(f_fork, 10);
    COUNT(f_spawn, 15);
    COUNT(f_system, 5);
    COUNT(f_popen, 5);
    COUNT(f_reap, 35);
    printf("unreturned 0\n");
    return 0;
}
