/* SPDX-License-Identifier: MIT
 *
 * waits CALL: blocks once in the system call named, for a second or two, and prints what came back. A tracer that comes
 * and goes meanwhile must not be seen in it. Run by attach.sh; "waits list" names the calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int fds[2];

static long do_epoll_wait(void)
{
    struct epoll_event event;
    return epoll_wait(epoll_create1(0), &event, 1, 2500);
}

static long do_epoll_pwait(void)
{
    struct epoll_event event;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPROF);
    return epoll_pwait(epoll_create1(0), &event, 1, 2500, &set);
}

static long do_sigtimedwait(void)
{
    sigset_t set;
    struct timespec time = {2, 500000000};
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return sigtimedwait(&set, NULL, &time);
}

static long do_nanosleep(void)
{
    struct timespec time = {2, 500000000};
    return nanosleep(&time, NULL);
}

static long do_futex(void)
{
    static int word;
    struct timespec time = {2, 500000000};
    return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0);
}

static long do_poll(void)
{
    return poll(NULL, 0, 2500);
}

static long do_ppoll(void)
{
    struct timespec time = {2, 500000000};
    sigset_t set;
    sigemptyset(&set);
    return ppoll(NULL, 0, &time, &set);
}

static long do_select(void)
{
    struct timeval time = {2, 500000};
    return select(0, NULL, NULL, NULL, &time);
}

static long do_read(void)
{
    char byte;
    return read(fds[0], &byte, 1);
}

static long do_recv(void)
{
    struct timeval time = {2, 500000};
    int pair[2];
    char byte;
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
    return recv(pair[0], &byte, 1, 0);
}

static long do_semtimedop(void)
{
    struct sembuf operation = {0, -1, 0};
    struct timespec time = {2, 500000000};
    int id = semget(IPC_PRIVATE, 1, 0600);
    long result = semtimedop(id, &operation, 1, &time);
    int error = errno;
    semctl(id, 0, IPC_RMID);
    errno = error;
    return result;
}

static long do_msgrcv(void)
{
    struct {
        long type;
        char text[8];
    } message;
    int id = msgget(IPC_PRIVATE, 0600);
    if (fork() == 0) {
        usleep(2500000);
        message.type = 1;
        msgsnd(id, &message, 0, 0);
        _exit(0);
    }
    long result = msgrcv(id, &message, 8, 0, 0);
    int error = errno;
    msgctl(id, IPC_RMID, NULL);
    wait(NULL);
    errno = error;
    return result;
}

static long do_wait4(void)
{
    pid_t child = fork();
    if (child == 0) {
        usleep(2500000);
        _exit(0);
    }
    return wait(NULL) == child ? 0 : -1;
}

static void on_alarm(int signal)
{
    (void)signal;
}

/* Here an EINTR is right: a signal of the program's own. */
static long do_sigsuspend(void)
{
    struct itimerval time = {{0, 0}, {2, 500000}};
    struct sigaction action = {.sa_handler = on_alarm};
    sigset_t blocked, none;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGTRAP);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &time, NULL);
    return sigsuspend(&none) == -1 && errno == EINTR ? 0 : -1;
}

static const struct {
    const char *name;
    long (*run)(void);
} calls[] = {
    {"epoll_wait", do_epoll_wait},
    {"epoll_pwait", do_epoll_pwait},
    {"sigtimedwait", do_sigtimedwait},
    {"nanosleep", do_nanosleep},
    {"futex", do_futex},
    {"poll", do_poll},
    {"ppoll", do_ppoll},
    {"select", do_select},
    {"read", do_read},
    {"recv", do_recv},
    {"semtimedop", do_semtimedop},
    {"msgrcv", do_msgrcv},
    {"wait4", do_wait4},
    {"sigsuspend", do_sigsuspend},
};

static void run(const char *name, long (*call)(void))
{
    struct timespec before, after;
    if (strcmp(name, "read") == 0 && fork() == 0) {
        usleep(2500000);
        _exit(write(fds[1], "x", 1) != 1);
    }
    clock_gettime(CLOCK_MONOTONIC, &before);
    errno = 0;
    long result = call();
    int error = errno;
    clock_gettime(CLOCK_MONOTONIC, &after);
    double seconds = (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    printf("%s: %s, %s\n", name, result < 0 ? strerrorname_np(error) : "ok", seconds > 2.4 ? "waited" : "too early");
}

int main(int argc, char **argv)
{
    if (pipe(fds) != 0)
        return 1;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (argc > 1 && strcmp(argv[1], "list") == 0)
            puts(calls[i].name);
        else if (argc > 1 && strcmp(argv[1], calls[i].name) == 0)
            run(calls[i].name, calls[i].run);
    }
    return 0;
}
