/* queue.c - commits to one table, one group after another.
 *
 * Whoever finds a table free leads it: takes what waits for it, makes all of it true with one
 * metadata file and one swap, and hands out the answers. Those who come meanwhile wait and are the
 * next group; the first of them leads it. So a table with many writers pays for a file and a sync
 * once per group, and they do not waste rounds on each other. Only an economy: the swap decides.
 */
#include "base/codec.h"
#include "catalog/catalog_int.h"

struct table_queue {
    struct table_queue *next;
    char *ns, *name;
    struct ticket *head, **tail; /* who waits */
    bool led;
};

static struct queue_slot *slot_of(struct catalog *catalog, const struct lake_ident *ident)
{
    uint64_t hash =
        hash64(ident->name, strlen(ident->name), hash64(ident->ns, strlen(ident->ns), 0));

    return &catalog->slots[hash % QUEUE_SLOTS];
}

static struct table_queue **find(struct queue_slot *slot, const struct lake_ident *ident)
{
    struct table_queue **at = &slot->queues;

    while (*at && (strcmp((*at)->name, ident->name) != 0 || strcmp((*at)->ns, ident->ns) != 0))
        at = &(*at)->next;
    return at;
}

static struct table_queue *queue_new(struct queue_slot *slot, const struct lake_ident *ident)
{
    struct table_queue *queue = calloc(1, sizeof(*queue));

    if (!queue)
        return NULL;
    queue->ns = strdup(ident->ns);
    queue->name = strdup(ident->name);
    queue->tail = &queue->head;
    if (!queue->ns || !queue->name) {
        free(queue->ns);
        free(queue->name);
        free(queue);
        return NULL;
    }
    queue->next = slot->queues;
    slot->queues = queue;
    return queue;
}

static void queue_free(struct table_queue **at)
{
    struct table_queue *queue = *at;

    *at = queue->next;
    free(queue->ns);
    free(queue->name);
    free(queue);
}

bool queue_enter(struct catalog *catalog, const struct lake_ident *ident, struct ticket *ticket,
                 int *rc)
{
    struct queue_slot *slot = slot_of(catalog, ident);
    struct table_queue *queue;

    *rc = 0;
    ticket->leads = false;
    ticket->next = NULL;
    pthread_mutex_lock(&slot->mutex);
    queue = *find(slot, ident);
    if (!queue)
        queue = queue_new(slot, ident);
    if (!queue || !queue->led) {
        *rc = queue ? 0 : ERR_NOMEM;
        if (queue)
            queue->led = true;
        pthread_mutex_unlock(&slot->mutex);
        return *rc == 0;
    }
    sem_init(&ticket->wake, 0, 0);
    *queue->tail = ticket;
    queue->tail = &ticket->next;
    pthread_mutex_unlock(&slot->mutex);
    while (sem_wait(&ticket->wake))
        ; /* a signal */
    sem_destroy(&ticket->wake);
    return ticket->leads;
}

struct ticket *queue_take(struct catalog *catalog, const struct lake_ident *ident, size_t max)
{
    struct queue_slot *slot = slot_of(catalog, ident);
    struct ticket *list = NULL, **at;
    struct table_queue *queue;
    size_t count = 0;

    pthread_mutex_lock(&slot->mutex);
    queue = *find(slot, ident);
    at = &queue->head;
    /* Who wants it alone waits for its turn. */
    while (*at && ((*at)->change || (*at)->part) && count++ < max)
        at = &(*at)->next;
    if (at != &queue->head) {
        list = queue->head;
        queue->head = *at;
        *at = NULL;
        if (!queue->head)
            queue->tail = &queue->head;
    }
    pthread_mutex_unlock(&slot->mutex);
    return list;
}

void queue_answer(struct ticket *ticket)
{
    sem_post(&ticket->wake); /* it lives on the waiter's stack: gone now */
}

void queue_leave(struct catalog *catalog, const struct lake_ident *ident)
{
    struct queue_slot *slot = slot_of(catalog, ident);
    struct table_queue **at, *queue;
    struct ticket *next;

    pthread_mutex_lock(&slot->mutex);
    at = find(slot, ident);
    queue = *at;
    next = queue->head;
    if (!next) {
        queue_free(at);
    } else {
        queue->head = next->next;
        if (!queue->head)
            queue->tail = &queue->head;
        next->leads = true;
        queue_answer(next);
    }
    pthread_mutex_unlock(&slot->mutex);
}

size_t queue_length(struct catalog *catalog, const struct lake_ident *ident)
{
    struct queue_slot *slot = slot_of(catalog, ident);
    struct table_queue *queue;
    size_t count = 0;

    pthread_mutex_lock(&slot->mutex);
    queue = *find(slot, ident);
    for (struct ticket *at = queue ? queue->head : NULL; at; at = at->next)
        count++;
    pthread_mutex_unlock(&slot->mutex);
    return count;
}

void queue_init(struct catalog *catalog)
{
    for (size_t i = 0; i < QUEUE_SLOTS; i++)
        pthread_mutex_init(&catalog->slots[i].mutex, NULL);
}

void queue_deinit(struct catalog *catalog)
{
    for (size_t i = 0; i < QUEUE_SLOTS; i++) {
        while (catalog->slots[i].queues)
            queue_free(&catalog->slots[i].queues);
        pthread_mutex_destroy(&catalog->slots[i].mutex);
    }
}
