/* SPDX-License-Identifier: MIT
 *
 * A storm of threads, joined and detached, far more over its life than may live at once: threads [WAVES].
 */
#include "traced.h"
#include <pthread.h>
#include <semaphore.h>

enum { WIDTH = 16, CALLS = 50 };
static sem_t finished;

static TRACED unsigned long f_work(unsigned long x)
{
    return x * 2 + 1;
}

static TRACED void *f_thread(void *detached)
{
    unsigned long x = 0, wanted = 0;
    for (int i = 0; i < CALLS; i++) {
        x = f_work(x);
        wanted = wanted * 2 + 1;
        CHECK(x == wanted);
    }
    if (detached)
        sem_post(&finished);
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned long waves = argument(argc, argv, 1, 150);
    pthread_attr_t detached;
    pthread_t ids[WIDTH];

    CHECK(sem_init(&finished, 0, 0) == 0);
    CHECK(pthread_attr_init(&detached) == 0);
    CHECK(pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED) == 0);
    for (unsigned long wave = 0; wave < waves; wave++) {
        int alone = wave % 4 == 3;
        for (int i = 0; i < WIDTH; i++)
            CHECK(pthread_create(&ids[i], alone ? &detached : NULL, f_thread, alone ? &finished : NULL) == 0);
        for (int i = 0; i < WIDTH; i++)
            if (alone)
                while (sem_wait(&finished) != 0)
                    ;
            else
                CHECK(pthread_join(ids[i], NULL) == 0);
    }
    COUNT(f_thread, waves * WIDTH);
    COUNT(f_work, waves * WIDTH * CALLS);
    printf("unreturned 0\n");
    return 0;
}
