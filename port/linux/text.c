/* SPDX-License-Identifier: MIT
 *
 * Text, executable memory and tables in user space. Text is written through /proc/self/mem: the kernel copies a private
 * page when it must and ignores that the page is not writable, so no page ever is writable and executable at once.
 * Called by the agent's thread only.
 */
#include <port/linux/linux.h>
#include <syscall.h>
#include <trapline/port.h>
#include <wire/image.h>

static int memory_fd = -1;

void tli_text_close(void)
{
    if (memory_fd >= 0)
        tl_syscall1(TL_SYS_CLOSE, memory_fd);
    memory_fd = -1;
}

int tli_text_receive(int socket)
{
    enum { SOL_SOCKET = 1, SCM_RIGHTS = 1, CMSG_CLOEXEC = 0x40000000 };
    struct {
        uint64_t length;
        int32_t level, type, fd, padding;
    } control = {0};
    uint8_t byte;
    struct {
        void *base;
        size_t size;
    } data = {&byte, sizeof(byte)};
    struct { /* struct msghdr */
        void *name;
        uint64_t name_bytes;
        void *data;
        size_t data_count;
        void *control;
        size_t control_bytes;
        uint64_t flags;
    } message = {0, 0, &data, 1, &control, sizeof(control), 0};
    if (tl_syscall3(TL_SYS_RECVMSG, socket, &message, CMSG_CLOEXEC) == sizeof(byte) && control.level == SOL_SOCKET &&
        control.type == SCM_RIGHTS)
        memory_fd = control.fd;
    return memory_fd;
}

static long map(uintptr_t address, size_t size, int protection, int flags)
{
    return tl_syscall6(TL_SYS_MMAP, (long)address, (long)size, protection, flags, -1, 0);
}

static bool failed(long result)
{
    return result < 0 && result > -4096;
}

enum tl_status tl_port_text_read(uintptr_t address, void *to, size_t size)
{
    return tl_syscall4(TL_SYS_PREAD64, memory_fd, to, size, address) == (long)size ? TL_OK : TL_NO_TEXT;
}

enum tl_status tl_port_text_write(uintptr_t address, const void *from, size_t size)
{
    return tl_syscall4(TL_SYS_PWRITE64, memory_fd, from, size, address) == (long)size ? TL_OK : TL_NO_TEXT;
}

static bool alone;

void tli_text_alone(bool is)
{
    alone = is;
}

bool tl_port_text_alone(uintptr_t address)
{
    (void)address;
    return alone;
}

enum tl_status tli_text_open(void)
{
    static const char path[] = "/proc/self/mem";
    if (memory_fd < 0)
        memory_fd = (int)tl_syscall4(TL_SYS_OPENAT, TLI_AT_FDCWD, path, TLI_O_RDWR | TLI_O_CLOEXEC, 0);
    if (memory_fd < 0)
        return TL_DENIED;
    long page = map(0, TLI_PAGE, TLI_PROT_READ | TLI_PROT_EXEC, TLI_MAP_PRIVATE | TLI_MAP_ANONYMOUS);
    if (failed(page))
        return TL_DENIED;
    uint8_t byte = 0xcc;
    enum tl_status status = tl_port_text_write((uintptr_t)page, &byte, 1);
    if (status == TL_OK && *(volatile uint8_t *)page != byte)
        status = TL_NO_TEXT;
    tl_syscall2(TL_SYS_MUNMAP, page, TLI_PAGE);
    return status == TL_OK ? TL_OK : TL_DENIED;
}

enum tl_status tli_text_swap(uintptr_t address, const void *from, size_t size)
{
    uintptr_t page = address & ~(uintptr_t)(TLI_PAGE - 1);
    size_t pages = ((address + size - 1) & ~(uintptr_t)(TLI_PAGE - 1)) - page + TLI_PAGE;
    long copy = map(0, pages, TLI_PROT_READ | TLI_PROT_EXEC, TLI_MAP_PRIVATE | TLI_MAP_ANONYMOUS);
    if (failed(copy))
        return TL_NO_MEMORY;
    static uint8_t part[TLI_PAGE];
    enum tl_status status = TL_OK;
    for (size_t done = 0; done < pages && status == TL_OK; done += sizeof(part)) {
        status = tl_port_text_read(page + done, part, sizeof(part));
        if (status == TL_OK)
            status = tl_port_text_write((uintptr_t)copy + done, part, sizeof(part));
    }
    if (status == TL_OK)
        status = tl_port_text_write((uintptr_t)copy + (address - page), from, size);
    if (status == TL_OK && failed(tl_syscall6(TL_SYS_MREMAP, copy, (long)pages, (long)pages,
                                              TLI_MREMAP_MAYMOVE | TLI_MREMAP_FIXED, (long)page, 0)))
        status = TL_DENIED;
    if (status != TL_OK)
        tl_syscall2(TL_SYS_MUNMAP, copy, pages);
    return status;
}

enum tl_status tl_port_exec_map(uintptr_t address, size_t size)
{
    long got = map(address, size, TLI_PROT_READ | TLI_PROT_EXEC,
                   TLI_MAP_PRIVATE | TLI_MAP_ANONYMOUS | TLI_MAP_NORESERVE | TLI_MAP_FIXED_NOREPLACE);
    if (failed(got))
        return TL_NO_MEMORY;
    if ((uintptr_t)got != address) { /* before Linux 4.17 the address is only a hint */
        tl_syscall2(TL_SYS_MUNMAP, got, size);
        return TL_NO_MEMORY;
    }
    return TL_OK;
}

/* Our own memory goes far from the program's: what lies within 2 GB of its text is for stubs. Only a hint. */

void *tl_port_memory(size_t size)
{
    static uintptr_t next = TL_IMAGE_MEMORY;
    long got = map(next, size, TLI_PROT_READ | TLI_PROT_WRITE, TLI_MAP_PRIVATE | TLI_MAP_ANONYMOUS | TLI_MAP_NORESERVE);
    if (failed(got))
        return 0;
    next = (uintptr_t)got + ((size + TLI_PAGE - 1) & ~(size_t)(TLI_PAGE - 1));
    return (void *)got;
}

void tl_port_memory_free(void *memory, size_t size)
{
    tl_syscall2(TL_SYS_MUNMAP, memory, size);
}
