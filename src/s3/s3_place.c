/* s3_place.c - parts of an upload that are received where they will stay.
 *
 * Clients cut into equal parts, so where a part will be in the object is known when it comes: at
 * its number times their size. Such a part is written into the upload's one file, "whole-SIZE",
 * which becomes the object by being named when the upload is completed: nothing is copied. SIZE is
 * that of the first part that came so. What does not fit (larger than SIZE, too small to be
 * anything but a last part that came first, sent again) goes to a file of its own and is copied in
 * at the end.
 *
 * Two must never write to one place, and nobody into a file that has become an object. So whoever
 * receives into a place claims it, and whoever completes an upload seals it, which only works when
 * nobody has a claim there. Both are kept in memory alone: a crash ends all claims, and what was
 * claimed counts for nothing until the part's record says it is there.
 */
#include <stdio.h>

#include "s3/s3_upload.h"

#define WHOLE_MAX ((int64_t)8 << 40) /* file systems end somewhere beyond */

struct s3_claim {
    struct s3_claim *next;
    char id[33];
    int number; /* 0: sealed */
};

static struct s3_claim *find(const struct s3_server *server, const char *id, int number)
{
    struct s3_claim *at = server->claims;

    while (at && (strcmp(at->id, id) || (number >= 0 && at->number != number)))
        at = at->next;
    return at;
}

/* number 0: all of it; refused while anybody has a part of it, and the other way round. */
static struct s3_claim *claim(struct s3_server *server, const char *id, int number)
{
    struct s3_claim *made = calloc(1, sizeof(*made));

    if (!made)
        return NULL;
    snprintf(made->id, sizeof(made->id), "%s", id);
    made->number = number;
    pthread_mutex_lock(&server->claims_lock);
    if (number ? find(server, id, number) || find(server, id, 0) : find(server, id, -1) != NULL) {
        free(made);
        made = NULL;
    } else {
        made->next = server->claims;
        server->claims = made;
    }
    pthread_mutex_unlock(&server->claims_lock);
    return made;
}

struct s3_claim *s3_upload_seal(struct s3_server *server, const char *id)
{
    return claim(server, id, 0);
}

void s3_claim_release(struct s3_server *server, struct s3_claim *mine)
{
    struct s3_claim **at = &server->claims;

    if (!mine)
        return;
    pthread_mutex_lock(&server->claims_lock);
    while (*at != mine)
        at = &(*at)->next;
    *at = mine->next;
    pthread_mutex_unlock(&server->claims_lock);
    free(mine);
}

/* --- the place -------------------------------------------------------------------------------- */

bool s3_whole_size(const char *name, int64_t *size)
{
    return strncmp(name, S3_WHOLE, sizeof(S3_WHOLE) - 1) == 0 &&
           slice_to_i64(slice_str(name + sizeof(S3_WHOLE) - 1), size) == 0 && *size > 0;
}

/* The file, made when this part is the first; NULL: the part does not go there. */
static const char *whole_path(struct s3_call *call, const struct upload *upload,
                              const struct parts *parts, int number, int64_t *part_size)
{
    int64_t size = call->body.size_expected;

    *part_size = parts->whole ? parts->part_size : size;
    if (size > *part_size || *part_size < S3_PART_MIN || number > WHOLE_MAX / *part_size)
        return NULL;
    for (size_t i = 0; i < parts->count; i++)
        if (parts->list[i].number == number && parts->list[i].placed)
            return NULL; /* what is there counts until the new one does */
    return arena_printf(call->arena, "%s/" S3_WHOLE "%" PRId64, upload->dir, *part_size);
}

/* Caller holds the upload's lock: the size is chosen once. */
static bool open_place(struct s3_call *call, const struct upload *upload, int number)
{
    struct s3_body *body = &call->body;
    struct parts parts;
    const char *path;
    int64_t part_size;

    if (s3_upload_parts(call, upload, &parts, NULL))
        return false;
    path = whole_path(call, upload, &parts, number, &part_size);
    if (!path ||
        disk_open(s3_disk(call->server), &body->file, path, DISK_WRITE | DISK_CREATE, NULL))
        return false;
    body->base = (number - 1) * part_size;
    return true;
}

void s3_place_part(struct s3_call *call)
{
    const char *text = s3_query(call, "partNumber");
    struct upload upload = {0};
    pthread_mutex_t *lock;
    int64_t number = 0;

    if (call->body.size_expected < 0 || !text || slice_to_i64(slice_str(text), &number) ||
        number < 1 || number > S3_PARTS_MAX || s3_upload_open(call, &upload))
        return;
    lock = s3_upload_lock(call->server, upload.id);
    pthread_mutex_lock(lock);
    call->body.claim = claim(call->server, upload.id, (int)number);
    call->body.placed = call->body.claim && open_place(call, &upload, (int)number);
    pthread_mutex_unlock(lock);
    json_decref(upload.info);
}
