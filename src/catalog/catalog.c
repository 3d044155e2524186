/* catalog.c - opening and closing, and the seam through which `lake` commits. */
#include "catalog/catalog_int.h"

#define CACHE_BYTES_DEFAULT ((int64_t)32 << 20)

static struct catalog *of_seam(struct lake_catalog *seam)
{
    return (struct catalog *)seam;
}

/* ---- lake/commit.h ---- */

struct find_call {
    const struct lake_ident *ident;
    struct arena *arena;
    struct row row;
};

static int find_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct find_call *call = arg;

    return row_find(txn, call->ident, call->arena, &call->row, err);
}

static int seam_load(struct lake_catalog *seam, const struct lake_ident *ident, struct arena *arena,
                     const char **location, struct err *err)
{
    struct find_call call = {.ident = ident, .arena = arena};
    int rc = meta_read(of_seam(seam)->meta, find_fn, &call, err);

    *location = rc ? NULL : call.row.location;
    return rc;
}

/* Files that `lake` wrote are durable, and its tables stay where they are. */
static struct swap *of_lake(const struct lake_swap *swaps, size_t count)
{
    struct swap *list = calloc(count, sizeof(*list));

    for (size_t i = 0; list && i < count; i++)
        list[i].lake = swaps[i];
    return list;
}

static int seam_swap_in(struct lake_catalog *seam, struct meta_txn *txn,
                        const struct lake_swap *swaps, size_t count, struct err *err)
{
    struct swap *list = of_lake(swaps, count);
    int rc = list ? swap_in(of_seam(seam), txn, "tarn", list, count, err)
                  : err_set(err, ERR_NOMEM, "table commit");

    free(list);
    return rc;
}

static int seam_swap(struct lake_catalog *seam, const struct lake_swap *swaps, size_t count,
                     struct err *err)
{
    struct swap *list = of_lake(swaps, count);
    int rc = list ? swap_write(of_seam(seam), "tarn", list, count, NULL, 0, NULL, err)
                  : err_set(err, ERR_NOMEM, "table commit");

    free(list);
    return rc;
}

static int seam_commit(struct lake_catalog *seam, const struct lake_part *parts, size_t count,
                       struct err *err)
{
    return commit_parts(of_seam(seam), parts, count, err);
}

static const struct lake_catalog_ops seam_ops = {
    .load = seam_load,
    .swap_in = seam_swap_in,
    .swap = seam_swap,
    .commit = seam_commit,
};

struct lake_catalog *catalog_lake(struct catalog *catalog)
{
    return &catalog->seam;
}

/* ---- life ---- */

int catalog_new(struct catalog **out, const struct catalog_options *options, struct err *err)
{
    struct catalog *catalog = calloc(1, sizeof(*catalog));
    int rc = 0;

    if (!catalog)
        return err_set(err, ERR_NOMEM, "catalog");
    catalog->seam = (struct lake_catalog){.ops = &seam_ops, .joins_meta = true};
    catalog->meta = options->meta;
    catalog->lake = options->lake;
    catalog->clock = options->clock;
    catalog->no_thread = options->no_thread;
    queue_init(catalog);
    pthread_mutex_init(&catalog->purge_mutex, NULL);
    pthread_cond_init(&catalog->purge_wake, NULL);
    pthread_mutex_init(&catalog->flush_turn, NULL);
    pthread_mutex_init(&catalog->flush_mutex, NULL);
    pthread_cond_init(&catalog->flush_wake, NULL);
    catalog->name = strdup(options->name);
    catalog->warehouse = strdup(options->warehouse);
    if (!catalog->name || !catalog->warehouse ||
        text_cache_new(&catalog->texts,
                       options->cache_bytes ? options->cache_bytes : CACHE_BYTES_DEFAULT))
        rc = err_set(err, ERR_NOMEM, "catalog");
    if (!rc) {
        for (size_t len = strlen(catalog->warehouse); len && catalog->warehouse[len - 1] == '/';)
            catalog->warehouse[--len] = '\0';
        rc = bucket_start(catalog, err);
    }
    if (!rc)
        rc = pending_start(catalog, err); /* first: from here on every metadata file is whole */
    if (!rc)
        rc = place_fill(catalog, err);
    if (!rc)
        rc = purge_start(catalog, err);
    if (rc) {
        catalog_free(catalog);
        return err_wrap(err, rc, "catalog %s", options->name);
    }
    *out = catalog;
    return 0;
}

void catalog_free(struct catalog *catalog)
{
    if (!catalog)
        return;
    purge_stop(catalog);
    pending_stop(catalog);
    bucket_stop(catalog);
    text_cache_free(catalog->texts);
    queue_deinit(catalog);
    pthread_mutex_destroy(&catalog->purge_mutex);
    pthread_cond_destroy(&catalog->purge_wake);
    pthread_mutex_destroy(&catalog->flush_mutex);
    pthread_mutex_destroy(&catalog->flush_turn);
    pthread_cond_destroy(&catalog->flush_wake);
    free(catalog->name);
    free(catalog->warehouse);
    free(catalog);
}

int catalog_sync_wait(struct catalog *catalog, struct err *err)
{
    return pending_flush(catalog, err);
}

const char *catalog_name(const struct catalog *catalog)
{
    return catalog->name;
}

const char *catalog_warehouse(const struct catalog *catalog)
{
    return catalog->warehouse;
}
