/* c11_threads.c - C11's thrd_create by pthread_create, for builds under the thread sanitizer.
 *
 * librdkafka starts its threads by thrd_create, which GCC's sanitizer does not know: such a thread
 * dies at its first malloc. A thread that pthread_create starts is known to it. Linked into every
 * program of SAN=thread; librdkafka finds it before the C library's. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

struct start {
    thrd_start_t run;
    void *arg;
};

static void *run(void *arg)
{
    struct start start = *(struct start *)arg;

    free(arg);
    return (void *)(intptr_t)start.run(start.arg);
}

int thrd_create(thrd_t *thread, thrd_start_t start, void *arg)
{
    struct start *copy = malloc(sizeof(*copy));

    if (!copy)
        return thrd_nomem;
    *copy = (struct start){start, arg};
    if (!pthread_create(thread, NULL, run, copy)) /* a thrd_t is a pthread_t in glibc */
        return thrd_success;
    free(copy);
    return thrd_error;
}

int thrd_join(thrd_t thread, int *result)
{
    void *value = NULL;

    if (pthread_join(thread, &value))
        return thrd_error;
    if (result)
        *result = (int)(intptr_t)value;
    return thrd_success;
}
