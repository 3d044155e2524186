/* draft.c - the next metadata file of a table as bytes. See draft.h. */
#include "lake/draft.h"

#include "base/codec.h"
#include "lake/lake_int.h"

#define METADATA_FILE_MAX ((size_t)512 << 20)

#if !JSON_HAVE_ATOMIC_BUILTINS && !JSON_HAVE_SYNC_BUILTINS
#error "documents share their parts between threads: jansson must count references atomically"
#endif

json_t *lake_doc_fork(const json_t *doc)
{
    json_t *fork = json_object(), *value;
    const char *key;

    json_object_foreach((json_t *)doc, key, value)
    {
        bool deep = json_is_object(value) || json_is_array(value);

        if (!fork ||
            json_object_set_new_nocheck(fork, key, deep ? json_copy(value) : json_incref(value))) {
            json_decref(fork);
            return NULL;
        }
    }
    return fork;
}

static int pack(struct lake_draft *draft, struct err *err)
{
    struct buf packed;
    int rc;

    buf_init(&packed, METADATA_FILE_MAX);
    rc = codec_compress(CODEC_GZIP, 0, buf_slice(&draft->bytes), &packed, err);
    if (rc) {
        buf_deinit(&packed);
        return rc;
    }
    buf_deinit(&draft->bytes);
    draft->bytes = packed;
    return 0;
}

int lake_draft_init(struct lake_draft *out, struct lake_metadata *metadata,
                    const struct lake_metadata *base, const char *base_location,
                    struct arena *arena, struct err *err)
{
    int rc = 0;

    *out = (struct lake_draft){0};
    buf_init(&out->bytes, METADATA_FILE_MAX);
    if (base)
        rc = lake_metadata_log_base(metadata, base, base_location, arena, &out->metadata,
                                    &out->dropped, &out->drop_count, err);
    else
        out->metadata = lake_metadata_ref(metadata);
    if (rc)
        out->metadata = NULL;
    else if (!(out->location = lake_metadata_next_location(metadata, base_location, arena)))
        rc = err_set(err, ERR_NOMEM, "metadata location");
    rc = rc ? rc : lake_metadata_print(out->metadata, &out->bytes, err);
    out->text_len = out->bytes.len;
    if (!rc && metadata_wants_gzip(metadata))
        rc = pack(out, err);
    return rc ? err_wrap(err, rc, "table metadata") : 0;
}

void lake_draft_deinit(struct lake_draft *draft)
{
    lake_metadata_free(draft->metadata);
    buf_deinit(&draft->bytes);
    *draft = (struct lake_draft){0};
}

void lake_draft_keep(struct lake *lake, const struct lake_draft *draft)
{
    /* The JSON tree costs about three times its text. */
    cache_put(lake, CACHED_METADATA, draft->location, draft->metadata,
              arena_bytes(&draft->metadata->arena) + draft->text_len * 3);
}
