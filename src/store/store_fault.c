/* store_fault.c - a store that fails on purpose, before the deed or after it: the second is what a
 * lost answer looks like. For tests of the rooms above. */
#include "store/store.h"

struct fault {
    struct store store;
    struct store *under; /* borrowed */
    store_call_fn *before, *after;
    void *arg;
};

static struct fault *fault_of(struct store *store)
{
    return (struct fault *)store;
}

static int ask(struct store *store, store_call_fn *fn, enum store_call call, const char *bucket,
               const char *key, struct err *err)
{
    int rc = fn ? fn(fault_of(store)->arg, call, bucket, key) : 0;

    return rc ? err_set(err, rc, "%s/%s: failed on purpose", bucket, key ? key : "") : 0;
}

/* Asks, does `expression`, asks again. */
#define THROUGH(call, bucket, key, expression)                                                     \
    do {                                                                                           \
        struct store *under = fault_of(store)->under;                                              \
        int rc = ask(store, fault_of(store)->before, call, bucket, key, err);                      \
                                                                                                   \
        if (!rc)                                                                                   \
            rc = (expression);                                                                     \
        return rc ? rc : ask(store, fault_of(store)->after, call, bucket, key, err);               \
    } while (0)

static int fault_put(struct store *store, const char *bucket, const char *key, struct slice bytes,
                     const struct store_put_options *options, struct store_info *out,
                     struct err *err)
{
    THROUGH(STORE_PUT, bucket, key, under->ops->put(under, bucket, key, bytes, options, out, err));
}

static int fault_put_file(struct store *store, const char *bucket, const char *key,
                          const char *path, const struct store_put_options *options,
                          struct store_info *out, struct err *err)
{
    THROUGH(STORE_PUT_FILE, bucket, key,
            under->ops->put_file(under, bucket, key, path, options, out, err));
}

static int fault_get(struct store *store, const char *bucket, const char *key, int64_t pos,
                     int64_t len, struct buf *out, struct err *err)
{
    THROUGH(STORE_GET, bucket, key, under->ops->get(under, bucket, key, pos, len, out, err));
}

static int fault_head(struct store *store, const char *bucket, const char *key,
                      struct store_info *info, struct err *err)
{
    THROUGH(STORE_HEAD, bucket, key, under->ops->head(under, bucket, key, info, err));
}

static int fault_open(struct store *store, const char *bucket, const char *key,
                      struct store_info *info, struct file **out, struct err *err)
{
    struct store *under = fault_of(store)->under;
    int rc = ask(store, fault_of(store)->before, STORE_OPEN, bucket, key, err);

    if (!rc)
        rc = under->ops->open(under, bucket, key, info, out, err);
    if (rc)
        return rc;
    rc = ask(store, fault_of(store)->after, STORE_OPEN, bucket, key, err);
    if (rc)
        file_close(*out); /* the caller got nothing */
    return rc;
}

static int fault_remove(struct store *store, const char *bucket, const char *key, struct err *err)
{
    THROUGH(STORE_REMOVE, bucket, key, under->ops->remove(under, bucket, key, err));
}

static int fault_list(struct store *store, const char *bucket, const char *prefix,
                      const char *delimiter, const char *start_after, size_t max_keys,
                      struct arena *arena, struct store_list *out, struct err *err)
{
    THROUGH(
        STORE_LIST, bucket, prefix,
        under->ops->list(under, bucket, prefix, delimiter, start_after, max_keys, arena, out, err));
}

static int fault_bucket_make(struct store *store, const char *bucket, struct err *err)
{
    THROUGH(STORE_BUCKET, bucket, NULL, under->ops->bucket_make(under, bucket, err));
}

static int fault_bucket_check(struct store *store, const char *bucket, struct err *err)
{
    THROUGH(STORE_BUCKET, bucket, NULL, under->ops->bucket_check(under, bucket, err));
}

static int fault_bucket_remove(struct store *store, const char *bucket, struct err *err)
{
    THROUGH(STORE_BUCKET, bucket, NULL, under->ops->bucket_remove(under, bucket, err));
}

static int fault_bucket_list(struct store *store, struct arena *arena, struct store_entry **out,
                             size_t *count, struct err *err)
{
    THROUGH(STORE_BUCKET, "", NULL, under->ops->bucket_list(under, arena, out, count, err));
}

static int fault_local(struct store *store, const char *bucket, const char *key,
                       struct arena *arena, const char **path, struct err *err)
{
    THROUGH(STORE_LOCAL, bucket, key, under->ops->local(under, bucket, key, arena, path, err));
}

static void fault_local_release(struct store *store, const char *path)
{
    struct store *under = fault_of(store)->under;

    under->ops->local_release(under, path);
}

static int fault_sync(struct store *store, const char *bucket, const char *const *keys,
                      size_t count, struct err *err)
{
    THROUGH(STORE_PUT, bucket, keys[0],
            under->ops->sync ? under->ops->sync(under, bucket, keys, count, err) : 0);
}

static void fault_free(struct store *store)
{
    free(store);
}

static const struct store_ops fault_ops = {
    .put = fault_put,
    .put_file = fault_put_file,
    .get = fault_get,
    .head = fault_head,
    .open = fault_open,
    .remove = fault_remove,
    .list = fault_list,
    .bucket_make = fault_bucket_make,
    .bucket_check = fault_bucket_check,
    .bucket_remove = fault_bucket_remove,
    .bucket_list = fault_bucket_list,
    .local = fault_local,
    .local_release = fault_local_release,
    .sync = fault_sync,
    .free = fault_free,
};

int store_fault_new(struct store **out, struct store *under, store_call_fn *before,
                    store_call_fn *after, void *arg, struct err *err)
{
    struct fault *fault = calloc(1, sizeof(*fault));

    if (!fault)
        return err_set(err, ERR_NOMEM, "store");
    *fault = (struct fault){.store = {&fault_ops, under->staging, under->disk},
                            .under = under,
                            .before = before,
                            .after = after,
                            .arg = arg};
    *out = &fault->store;
    return 0;
}
