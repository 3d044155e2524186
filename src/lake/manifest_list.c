/* manifest_list.c - manifest lists as Avro files, and loading through the cache.
 * Iceberg spec, "Manifest Lists". */
#include <stdio.h>

#include "format/avro_file.h"
#include "lake/lake_int.h"

#define MANIFEST_BYTES_MAX ((size_t)1 << 30)

#define S(field_name, field_id, field_kind, member)                                                \
    .name = field_name, .id = field_id, .kind = field_kind,                                        \
    .at = offsetof(struct lake_field_summary, member)
static const struct avro_field summary_fields[] = {
    {S("contains_null", 509, AK_BOOL, contains_null), .needed = true},
    {S("contains_nan", 518, AK_BOOL, contains_nan), .optional = true, .absent = -1},
    {S("lower_bound", 510, AK_BYTES, lower), .optional = true},
    {S("upper_bound", 511, AK_BYTES, upper), .optional = true},
};
static const struct avro_shape summary_shape = {"r508", sizeof(struct lake_field_summary),
                                                summary_fields, COUNT_OF(summary_fields)};

/* v1 lists lack content and sequence numbers: 0 then. Counts may be null there: -1. */
#define L(field_name, field_id, field_kind, member)                                                \
    .name = field_name, .id = field_id, .kind = field_kind,                                        \
    .at = offsetof(struct lake_manifest_file, member)
static const struct avro_field list_fields[] = {
    {L("manifest_path", 500, AK_STRING, path), .needed = true},
    {L("manifest_length", 501, AK_LONG, length), .needed = true},
    {L("partition_spec_id", 502, AK_INT, spec_id), .needed = true},
    {L("content", 517, AK_INT, content)},
    {L("sequence_number", 515, AK_LONG, sequence_number)},
    {L("min_sequence_number", 516, AK_LONG, min_sequence_number)},
    {L("added_snapshot_id", 503, AK_LONG, added_snapshot_id), .absent = -1},
    {L("added_files_count", 504, AK_INT, added_files), .absent = -1},
    {L("existing_files_count", 505, AK_INT, existing_files), .absent = -1},
    {L("deleted_files_count", 506, AK_INT, deleted_files), .absent = -1},
    {L("added_rows_count", 512, AK_LONG, added_rows), .absent = -1},
    {L("existing_rows_count", 513, AK_LONG, existing_rows), .absent = -1},
    {L("deleted_rows_count", 514, AK_LONG, deleted_rows), .absent = -1},
    {L("partitions", 507, AK_ARRAY, partitions), .optional = true, .shape = &summary_shape,
     .item_id = 508, .at_count = offsetof(struct lake_manifest_file, partition_count)},
    {L("key_metadata", 519, AK_BYTES, key_metadata), .optional = true},
    {L("first_row_id", 520, AK_LONG, first_row_id), .optional = true, .absent = -1}, /* v3 */
};
/* first_row_id stands last, so a v2 list is the same table one line shorter. */
static const struct avro_shape list_shape_v3 = {"manifest_file", sizeof(struct lake_manifest_file),
                                                list_fields, COUNT_OF(list_fields)};
static const struct avro_shape list_shape_v2 = {"manifest_file", sizeof(struct lake_manifest_file),
                                                list_fields, COUNT_OF(list_fields) - 1};

/* v1: neither kinds of content nor sequence numbers. */
#define V1_FIELDS (COUNT_OF(list_fields) - 4)
static struct avro_shape shape_v1(struct avro_field space[V1_FIELDS])
{
    size_t count = 0;

    for (size_t i = 0; i < COUNT_OF(list_fields); i++) {
        int32_t id = list_fields[i].id;

        if (id != 515 && id != 516 && id != 517 && id != 520)
            space[count++] = list_fields[i];
    }
    return (struct avro_shape){"manifest_file", sizeof(struct lake_manifest_file), space, count};
}

static int parse_into(struct lake_manifest_list *list, struct slice bytes, struct arena *scratch,
                      struct err *err)
{
    struct avro_file file;
    void *records = NULL;
    int rc = avro_file_open(bytes, scratch, &file, err);

    rc = rc ? rc
            : avro_file_read(&file, &list_shape_v3, AVRO_BLOCK_MAX, &list->arena, &records,
                             &list->file_count, err);
    list->files = records;
    for (size_t i = 0; i < list->file_count && !rc; i++)
        if (!list->files[i].path || list->files[i].length < 0)
            rc = err_set(err, ERR_CORRUPT, "a line without path or length");
    return rc;
}

int lake_manifest_list_parse(struct slice bytes, const char *path, struct lake_manifest_list **out,
                             struct err *err)
{
    struct lake_manifest_list *list = calloc(1, sizeof(*list));
    struct arena scratch = {.max_bytes = (size_t)256 << 20};
    int rc;

    if (!list)
        return err_set(err, ERR_NOMEM, "manifest list");
    list->refs = 1;
    list->arena.max_bytes = MANIFEST_BYTES_MAX;
    list->path = arena_strdup(&list->arena, path);
    rc = list->path ? parse_into(list, bytes, &scratch, err)
                    : err_set(err, ERR_NOMEM, "manifest list");
    arena_deinit(&scratch);
    if (rc) {
        lake_manifest_list_free(list);
        return err_wrap(err, rc, "manifest list %s", path);
    }
    *out = list;
    return 0;
}

void lake_manifest_list_free(struct lake_manifest_list *list)
{
    if (!list || __atomic_sub_fetch(&list->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    arena_deinit(&list->arena);
    free(list);
}

int lake_manifest_list_print(int format_version, int64_t snapshot_id, int64_t parent_id,
                             int64_t sequence_number, const struct lake_manifest_file *files,
                             size_t count, struct buf *out, struct err *err)
{
    struct avro_field v1[V1_FIELDS];
    const struct avro_shape shape = format_version == 1   ? shape_v1(v1)
                                    : format_version == 2 ? list_shape_v2
                                                          : list_shape_v3;
    char id[24], parent[24] = "null", version[12], seq[24];
    struct avro_meta meta[4];

    snprintf(id, sizeof(id), "%" PRId64, snapshot_id);
    if (parent_id >= 0)
        snprintf(parent, sizeof(parent), "%" PRId64, parent_id);
    snprintf(version, sizeof(version), "%d", format_version);
    snprintf(seq, sizeof(seq), "%" PRId64, sequence_number);
    meta[0] = (struct avro_meta){"snapshot-id", slice_str(id)};
    meta[1] = (struct avro_meta){"parent-snapshot-id", slice_str(parent)};
    meta[2] = (struct avro_meta){"format-version", slice_str(version)};
    meta[3] = (struct avro_meta){"sequence-number", slice_str(seq)};
    return avro_file_write(&shape, files, count, meta, format_version == 1 ? 3 : 4, "deflate", out,
                           err);
}

int line_copy(struct arena *arena, struct lake_manifest_file *out,
              const struct lake_manifest_file *from)
{
    *out = *from;
    out->path = arena_strdup(arena, from->path);
    if (from->key_metadata.ptr)
        out->key_metadata = arena_slice(arena, from->key_metadata);
    out->partitions = ARENA_ARRAY(arena, struct lake_field_summary, from->partition_count + 1);
    if (!out->path || !out->partitions)
        return ERR_NOMEM;
    for (size_t i = 0; i < from->partition_count; i++) {
        struct lake_field_summary *sum = &out->partitions[i];

        *sum = from->partitions[i];
        if (sum->lower.len)
            sum->lower = arena_slice(arena, sum->lower);
        if (sum->upper.len)
            sum->upper = arena_slice(arena, sum->upper);
    }
    return 0;
}

/* What parsing the bytes would give, without parsing them: the next commit asks for it. */
void list_keep(struct lake *lake, int format_version, const char *path, const struct lines *lines)
{
    struct lake_manifest_list *list = format_version < 2 ? NULL : calloc(1, sizeof(*list));
    int rc;

    if (!list)
        return;
    list->refs = 1;
    list->path = arena_strdup(&list->arena, path);
    list->files = ARENA_ARRAY(&list->arena, struct lake_manifest_file, lines->count + 1);
    rc = list->path && list->files ? 0 : ERR_NOMEM;
    for (size_t i = 0; i < lines->count && !rc; i++) {
        rc = line_copy(&list->arena, &list->files[i], &lines->list[i]);
        list->files[i].numbered_rows = 0; /* which no file holds, */
        if (format_version < 3)
            list->files[i].first_row_id = -1; /* nor this */
        list->file_count++;
    }
    if (!rc)
        cache_put(lake, CACHED_LIST, path, list, arena_bytes(&list->arena));
    lake_manifest_list_free(list);
}

int lake_manifest_load(struct lake *lake, const struct lake_metadata *metadata,
                       const struct lake_manifest_file *line, struct lake_manifest **out,
                       struct err *err)
{
    struct buf bytes;
    int rc;

    *out = cache_get(lake, CACHED_MANIFEST, line->path);
    if (*out && (*out)->first_row_id == line->first_row_id)
        return 0;
    if (*out) { /* a table of v2 became one of v3, and its rows have ids now */
        lake_manifest_free(*out);
        *out = NULL;
        cache_drop(lake, line->path);
    }
    if (line->key_metadata.len)
        return err_set(err, ERR_UNSUPPORTED, "%s is encrypted, and this tarn has no keys",
                       line->path);
    buf_init(&bytes, MANIFEST_BYTES_MAX);
    rc = store_get_at(lake_store(lake), line->path, &bytes, err);
    rc = rc ? rc : lake_manifest_parse(buf_slice(&bytes), line->path, metadata, line, out, err);
    if (!rc)
        cache_put(lake, CACHED_MANIFEST, line->path, *out, arena_bytes(&(*out)->arena));
    buf_deinit(&bytes);
    return rc;
}

/* ---- snapshots of v1 that name their manifests one by one ---- */

/* Under which the cache has the list of such a snapshot, which is no file. */
const char *list_cache_key(const struct lake_metadata *metadata,
                           const struct lake_snapshot *snapshot, struct arena *arena)
{
    return snapshot->manifest_list ? snapshot->manifest_list
                                   : arena_printf(arena, "manifests of %" PRId64 " in %s",
                                                  snapshot->id, metadata->location);
}

/* All that a manifest adds or takes out was added or taken out by the snapshot that wrote it. */
static int64_t writer_of(const struct lake_manifest *manifest, int64_t fallback)
{
    for (size_t i = 0; i < manifest->entry_count; i++)
        if (manifest->entries[i].status != LAKE_EXISTING && manifest->entries[i].snapshot_id >= 0)
            return manifest->entries[i].snapshot_id;
    return fallback;
}

static int make_line(struct lake *lake, const struct lake_metadata *metadata,
                     const struct lake_snapshot *snapshot, const char *path, struct arena *arena,
                     struct lake_manifest_file *line, struct err *err)
{
    struct lake_manifest *manifest = NULL;
    struct buf bytes;
    int rc;

    buf_init(&bytes, MANIFEST_BYTES_MAX);
    rc = store_get_at(lake_store(lake), path, &bytes, err);
    rc = rc ? rc : lake_manifest_parse(buf_slice(&bytes), path, metadata, NULL, &manifest, err);
    rc = rc ? rc : lake_manifest_summarise(metadata, manifest, arena, line, err);
    if (!rc) {
        for (size_t i = 0; i < line->partition_count; i++) { /* texts borrow from the manifest */
            struct lake_field_summary *sum = &line->partitions[i];

            sum->lower = sum->lower.len ? arena_slice(arena, sum->lower) : sum->lower;
            sum->upper = sum->upper.len ? arena_slice(arena, sum->upper) : sum->upper;
        }
        line->path = arena_strdup(arena, path);
        line->length = (int64_t)bytes.len;
        line->sequence_number = line->min_sequence_number = 0;
        line->added_snapshot_id = writer_of(manifest, snapshot->id);
        rc = line->path ? 0 : err_set(err, ERR_NOMEM, "manifest %s", path);
        cache_put(lake, CACHED_MANIFEST, path, manifest, arena_bytes(&manifest->arena));
    }
    lake_manifest_free(manifest);
    buf_deinit(&bytes);
    return rc;
}

static int make_list(struct lake *lake, const struct lake_metadata *metadata,
                     const struct lake_snapshot *snapshot, struct lake_manifest_list **out,
                     struct err *err)
{
    struct lake_manifest_list *list = calloc(1, sizeof(*list));
    int rc = 0;

    if (!list)
        return err_set(err, ERR_NOMEM, "manifest list");
    list->refs = 1;
    list->arena.max_bytes = MANIFEST_BYTES_MAX;
    list->path = list_cache_key(metadata, snapshot, &list->arena);
    list->path = list->path ? arena_strdup(&list->arena, list->path) : NULL;
    list->files =
        ARENA_ARRAY(&list->arena, struct lake_manifest_file, snapshot->manifest_count + 1);
    if (!list->path || !list->files)
        rc = err_set(err, ERR_NOMEM, "manifest list");
    for (size_t i = 0; i < snapshot->manifest_count && !rc; i++, list->file_count += !rc)
        rc = make_line(lake, metadata, snapshot, snapshot->manifests[i], &list->arena,
                       &list->files[i], err);
    if (rc) {
        lake_manifest_list_free(list);
        return rc;
    }
    cache_put(lake, CACHED_LIST, list->path, list, arena_bytes(&list->arena));
    *out = list;
    return 0;
}

static int load_list(struct lake *lake, const char *path, struct lake_manifest_list **out,
                     struct err *err)
{
    struct buf bytes;
    int rc;

    buf_init(&bytes, MANIFEST_BYTES_MAX);
    rc = store_get_at(lake_store(lake), path, &bytes, err);
    rc = rc ? rc : lake_manifest_list_parse(buf_slice(&bytes), path, out, err);
    if (!rc)
        cache_put(lake, CACHED_LIST, path, *out, arena_bytes(&(*out)->arena));
    buf_deinit(&bytes);
    return rc;
}

int lake_manifest_list_load(struct lake *lake, const struct lake_metadata *metadata,
                            const struct lake_snapshot *snapshot, struct lake_manifest_list **out,
                            struct err *err)
{
    struct arena arena = {0};
    const char *key;
    int rc = 0;

    *out = NULL;
    if (snapshot->key_id)
        return err_set(err, ERR_UNSUPPORTED,
                       "the files of snapshot %" PRId64
                       " are encrypted (key %.100s), and this tarn "
                       "has no keys",
                       snapshot->id, snapshot->key_id);
    key = list_cache_key(metadata, snapshot, &arena);
    *out = key ? cache_get(lake, CACHED_LIST, key) : NULL;
    if (!key)
        rc = err_set(err, ERR_NOMEM, "manifest list");
    else if (!*out)
        rc = snapshot->manifest_list ? load_list(lake, key, out, err)
                                     : make_list(lake, metadata, snapshot, out, err);
    arena_deinit(&arena);
    return rc;
}
