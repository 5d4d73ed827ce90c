/* SPDX-License-Identifier: MIT
 *
 * backtrace() and _Unwind_Backtrace from inside traced functions: the same frames whether traced or not. Prints each
 * as module+offset, so that two runs compare.
 */
/* build: -rdynamic */
#include "traced.h"
#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <unwind.h>

int f_level3(int how), f_level2(int how), f_level1(int how);

static void say(void *address)
{
    Dl_info info;
    CHECK(dladdr(address, &info) != 0);
    const char *slash = strrchr(info.dli_fname, '/');
    printf("  %s+0x%lx %s\n", slash ? slash + 1 : info.dli_fname,
           (unsigned long)((char *)address - (char *)info.dli_fbase), info.dli_sname ? info.dli_sname : "?");
}

static _Unwind_Reason_Code each(struct _Unwind_Context *context, void *unused)
{
    (void)unused;
    if (_Unwind_GetIP(context))
        say((void *)_Unwind_GetIP(context));
    return _URC_NO_REASON;
}

static void show(void)
{
    void *frames[32];
    int count = backtrace(frames, 32);
    printf("backtrace of %d\n", count);
    for (int i = 0; i < count; i++)
        say(frames[i]);
    printf("unwinder\n");
    _Unwind_Backtrace(each, NULL);
}

static void on_signal(int number)
{
    printf("in handler of %d\n", number);
    show();
}

TRACED int f_level3(int how)
{
    if (how == 0)
        show();
    else
        raise(SIGUSR1);
    printf("returns to\n");
    say(__builtin_return_address(0));
    return how;
}

TRACED int f_level2(int how)
{
    int result = f_level3(how);
    KEEP(result);
    return result + 1;
}

TRACED int f_level1(int how)
{
    int result = f_level2(how);
    KEEP(result);
    return result + 1;
}

int main(void)
{
    signal(SIGUSR1, on_signal);
    for (int i = 0; i < 3; i++)
        CHECK(f_level1(0) == 2 && f_level1(1) == 3);
    COUNT(f_level1, 6);
    COUNT(f_level2, 6);
    COUNT(f_level3, 6);
    printf("unreturned 0\n");
    return 0;
}
