/* SPDX-License-Identifier: MIT
 *
 * Handing over. See hand.h.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <tracer/hand.h>
#include <tracer/process.h>
#include <unistd.h>

bool tl_hand_needed(const struct tl_hold *hold)
{
    struct stat memory;
    char path[64];
    /* The last number of the line is the user that files are opened as. */
    int64_t user = tl_process_number(hold->pid, hold->tid, "Uid", 10);
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)hold->pid);
    return stat(path, &memory) == 0 && user != 0 && (int64_t)memory.st_uid != user;
}

bool tl_hand_over(pid_t pid, int there, int fd)
{
    char byte = 0, control[CMSG_SPACE(sizeof(fd))] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(head), &fd, sizeof(fd));
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    int here = process >= 0 ? (int)syscall(SYS_pidfd_getfd, process, there, 0) : -1;
    bool sent = here >= 0 && sendmsg(here, &message, MSG_NOSIGNAL) == 1;
    if (here >= 0)
        close(here);
    if (process >= 0)
        close(process);
    return sent;
}
