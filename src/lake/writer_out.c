/* writer_out.c - see writer_out.h. */
#include "lake/writer_out.h"

#include <stdio.h>
#include <stdlib.h>

#define MEMORY_MAX ((size_t)256 << 10)

struct writer_out {
    struct store *store;
    struct buf bytes;  /* not yet in the file */
    struct file *file; /* NULL: all is in memory */
    char *path;        /* of the file */
    int64_t written;   /* in it */
};

static int nomem(struct err *err)
{
    return err_set(err, ERR_NOMEM, "writing data files");
}

int writer_out_new(struct writer_out **out, struct store *store, struct err *err)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return nomem(err);
    (*out)->store = store;
    return 0;
}

static int open_file(struct writer_out *o, struct err *err)
{
    char uuid[37];

    uuid_v4(uuid);
    if (asprintf(&o->path, "%s/%s.parquet", store_staging(o->store), uuid) < 0) {
        o->path = NULL;
        return nomem(err);
    }
    return disk_open(o->store->disk, &o->file, o->path, DISK_WRITE | DISK_CREATE | DISK_TRUNCATE,
                     err);
}

static int flush(struct writer_out *o, struct err *err)
{
    int rc = o->file ? 0 : open_file(o, err);

    rc = rc ? rc : file_pwrite(o->file, o->bytes.ptr, o->bytes.len, o->written, err);
    o->written += (int64_t)o->bytes.len;
    buf_clear(&o->bytes);
    return rc;
}

int writer_out_put(void *out, struct slice bytes, struct err *err)
{
    struct writer_out *o = out;

    if (buf_append_slice(&o->bytes, bytes))
        return nomem(err);
    return o->bytes.len > MEMORY_MAX ? flush(o, err) : 0;
}

int writer_out_finish(struct writer_out *o, const char *location, int64_t *size, struct err *err)
{
    int rc = 0;

    *size = o->written + (int64_t)o->bytes.len;
    if (!o->file)
        return store_put_at(o->store, location, buf_slice(&o->bytes), err);
    if (o->bytes.len)
        rc = flush(o, err);
    file_close(o->file);
    o->file = NULL;
    rc = rc ? rc : store_put_file_at(o->store, location, o->path, size, err);
    if (!rc) { /* the store took it */
        free(o->path);
        o->path = NULL;
    }
    return rc;
}

void writer_out_free(struct writer_out *o)
{
    if (!o)
        return;
    file_close(o->file);
    if (o->path)
        disk_unlink(o->store->disk, o->path, NULL);
    free(o->path);
    buf_deinit(&o->bytes);
    free(o);
}
