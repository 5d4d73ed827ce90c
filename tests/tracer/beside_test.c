/* SPDX-License-Identifier: MIT
 *
 * Work beside the session's thread, which goes on and fulfils what the worker wishes: tracer/beside.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <tracer/beside.h>

enum { ROUNDS = 200, WISHES = 20 };

static struct tl_beside beside;
static pthread_t session_thread, worker_thread;
static int fulfilled, right_answers;

static int fulfil(void *argument)
{
    assert_true(pthread_equal(pthread_self(), session_thread));
    fulfilled++;
    return *(int *)argument + 1;
}

static void wish(void *argument)
{
    (void)argument;
    worker_thread = pthread_self();
    for (int i = 0; i < WISHES; i++)
        right_answers += tl_beside_ask(&beside, fulfil, &i) == i + 1;
}

static void wishes_are_fulfilled_by_the_session(void **state)
{
    (void)state;
    session_thread = pthread_self();
    fulfilled = right_answers = 0;
    for (int i = 0; i < ROUNDS; i++) {
        tl_beside_start(&beside, wish, NULL);
        assert_true(beside.busy);
        tl_beside_end(&beside);
        assert_false(tl_beside_busy(&beside));
        assert_false(pthread_equal(worker_thread, session_thread));
        assert_int_equal(fulfilled, (i + 1) * WISHES);
        assert_int_equal(right_answers, (i + 1) * WISHES);
    }
}

static void without_a_worker_a_wish_is_fulfilled_at_once(void **state)
{
    (void)state;
    session_thread = pthread_self();
    fulfilled = right_answers = 0;
    wish(NULL);
    assert_int_equal(right_answers, WISHES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wishes_are_fulfilled_by_the_session),
        cmocka_unit_test(without_a_worker_a_wish_is_fulfilled_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
