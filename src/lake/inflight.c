/* inflight.c - a set of locations under a lock. See inflight.h. */
#include "lake/inflight.h"

#include <pthread.h>

#include "base/codec.h"

#define BUCKETS 1024

struct name {
    struct name *next;
    char text[];
};
struct keeper {
    struct keeper *next;
    int64_t mono_ms;
    char uuid[40];
};
struct inflight {
    pthread_mutex_t lock;
    struct name *buckets[BUCKETS];
    size_t count;
    struct keeper *keepers; /* a handful */
};

int inflight_new(struct inflight **out, struct err *err)
{
    struct inflight *inflight = calloc(1, sizeof(*inflight));

    if (!inflight)
        return err_set(err, ERR_NOMEM, "files in flight");
    pthread_mutex_init(&inflight->lock, NULL);
    *out = inflight;
    return 0;
}

void inflight_free(struct inflight *inflight)
{
    if (!inflight)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct name *name = inflight->buckets[i], *next; name; name = next) {
            next = name->next;
            free(name);
        }
    for (struct keeper *keeper = inflight->keepers, *next; keeper; keeper = next) {
        next = keeper->next;
        free(keeper);
    }
    pthread_mutex_destroy(&inflight->lock);
    free(inflight);
}

/* Where the name is, or where it would be linked. */
static struct name **place_of(struct inflight *inflight, const char *location)
{
    struct name **at = &inflight->buckets[hash64(location, strlen(location), 0) % BUCKETS];

    while (*at && strcmp((*at)->text, location) != 0)
        at = &(*at)->next;
    return at;
}

int inflight_add(struct inflight *inflight, const char *location, struct err *err)
{
    struct name *name = malloc(sizeof(*name) + strlen(location) + 1), **at;

    if (!name)
        return err_set(err, ERR_NOMEM, "files in flight");
    name->next = NULL;
    strcpy(name->text, location);
    pthread_mutex_lock(&inflight->lock);
    at = place_of(inflight, location);
    if (*at) {
        free(name);
    } else {
        *at = name;
        inflight->count++;
    }
    pthread_mutex_unlock(&inflight->lock);
    return 0;
}

void inflight_done(struct inflight *inflight, const char *location)
{
    struct name **at, *name;

    pthread_mutex_lock(&inflight->lock);
    at = place_of(inflight, location);
    name = *at;
    if (name) {
        *at = name->next;
        inflight->count--;
    }
    pthread_mutex_unlock(&inflight->lock);
    free(name);
}

bool inflight_has(struct inflight *inflight, const char *location)
{
    bool has;

    pthread_mutex_lock(&inflight->lock);
    has = *place_of(inflight, location) != NULL;
    pthread_mutex_unlock(&inflight->lock);
    return has;
}

size_t inflight_count(struct inflight *inflight)
{
    size_t count;

    pthread_mutex_lock(&inflight->lock);
    count = inflight->count;
    pthread_mutex_unlock(&inflight->lock);
    return count;
}

static struct keeper *keeper_of(struct inflight *inflight, const char *uuid)
{
    struct keeper *keeper = inflight->keepers;

    while (keeper && strncmp(keeper->uuid, uuid, sizeof(keeper->uuid) - 1) != 0)
        keeper = keeper->next;
    return keeper;
}

/* Without memory the table is looked after twice, which is no more than a waste. */
void inflight_keep(struct inflight *inflight, const char *uuid, int64_t mono_ms)
{
    struct keeper *keeper;

    pthread_mutex_lock(&inflight->lock);
    keeper = keeper_of(inflight, uuid);
    if (!keeper && (keeper = calloc(1, sizeof(*keeper)))) {
        strncpy(keeper->uuid, uuid, sizeof(keeper->uuid) - 1);
        keeper->next = inflight->keepers;
        inflight->keepers = keeper;
    }
    if (keeper)
        keeper->mono_ms = mono_ms;
    pthread_mutex_unlock(&inflight->lock);
}

bool inflight_kept(struct inflight *inflight, const char *uuid, int64_t since_mono_ms)
{
    struct keeper *keeper;
    bool kept;

    pthread_mutex_lock(&inflight->lock);
    keeper = keeper_of(inflight, uuid);
    kept = keeper && keeper->mono_ms >= since_mono_ms;
    pthread_mutex_unlock(&inflight->lock);
    return kept;
}
