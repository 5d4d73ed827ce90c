/* SPDX-License-Identifier: MIT
 *
 * C++ exceptions through one to five frames, with catches, rethrows, cleanups, nested ones and threads.
 */
#include "traced.h"
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#define ROUNDS 500

static thread_local unsigned long cleanups;
static thread_local unsigned long calls, left_by_throw;

struct Guard {
    ~Guard()
    {
        cleanups++;
    }
};

/* Counts a call, and notices when it is left by an exception. */
struct Call {
    int before = std::uncaught_exceptions();
    Call()
    {
        calls++;
    }
    ~Call()
    {
        if (std::uncaught_exceptions() > before)
            left_by_throw++;
    }
};

TRACED static int f_through(int frames, int value)
{
    Call call;
    Guard guard;
    if (frames <= 1) {
        if (value % 3 == 0)
            throw std::runtime_error("three " + std::to_string(value));
        if (value % 3 == 1)
            throw value;
        return value;
    }
    int result = f_through(frames - 1, value);
    KEEP(result);
    return result + 1;
}

TRACED static int f_rethrow(int frames, int value)
{
    Call call;
    Guard guard;
    try {
        return f_through(frames, value) + 1000;
    } catch (const std::runtime_error &) {
        throw;
    } catch (int number) {
        throw std::out_of_range("number " + std::to_string(number));
    }
}

TRACED static std::string f_catch(int frames, int value)
{
    Call call;
    try {
        return "value " + std::to_string(f_rethrow(frames, value));
    } catch (const std::exception &caught) {
        try {
            f_through(2, 3);
        } catch (const std::runtime_error &inner) {
            return std::string(caught.what()) + " then " + inner.what();
        }
        return "not reached";
    }
}

TRACED static void f_noexcept_cleanup() noexcept
{
    Call call;
    try {
        f_through(5, 1);
    } catch (...) {
    }
}

static void everything(unsigned long *sum)
{
    for (int round = 0; round < ROUNDS; round++)
        for (int frames = 1; frames <= 5; frames++)
            for (int value = 0; value < 3; value++) {
                std::string said = f_catch(frames, value);
                std::string wanted = value == 0   ? "three 0 then three 3"
                                     : value == 1 ? "number 1 then three 3"
                                                  : "value " + std::to_string(1002 + frames - 1);
                if (said != wanted) {
                    fprintf(stderr, "'%s', wanted '%s'\n", said.c_str(), wanted.c_str());
                    exit(99);
                }
            }
    f_noexcept_cleanup();
    sum[0] = calls, sum[1] = left_by_throw, sum[2] = cleanups;
}

int main()
{
    unsigned long all[3][3];
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++)
        threads.emplace_back(everything, all[i]);
    for (auto &thread : threads)
        thread.join();
    CHECK(all[0][0] == all[1][0] && all[0][1] == all[2][1] && all[0][2] == all[1][2]);

    unsigned long catches = 3ul * ROUNDS * 5 * 3;
    unsigned long through = 3ul * (ROUNDS * (3 * (1 + 2 + 3 + 4 + 5) + 2 * 5 * 2) + 5);
    printf("count f_catch %lu\n", catches);
    printf("count f_rethrow %lu\n", catches);
    printf("count f_through %lu\n", through);
    printf("count f_noexcept_cleanup 3\n");
    CHECK(3 * all[0][0] == 2 * catches + through + 3);
    printf("cleanups %lu\n", 3 * all[0][2]);
    printf("unreturned %lu\n", 3 * all[0][1]);
    return 0;
}
