/* s3_complete.c - the end of a multipart upload: the parts become one object.
 *
 * The parts listed become one file (s3_join.c), which the store then names; the folder of the
 * upload goes last. Asked again for an upload that is gone, the answer is yes when the object is
 * there with the ETag that these parts make: the first answer may have been lost.
 */
#include <stdio.h>
#include <strings.h>

#include "s3/s3_upload.h"

static const struct part *find_part(const struct parts *parts, int number)
{
    for (size_t i = 0; i < parts->count; i++)
        if (parts->list[i].number == number)
            return &parts->list[i];
    return NULL;
}

struct wanted {
    int number;
    char md5[33];
    const char *sum; /* NULL: not told */
    enum s3_sum sum_kind;
};

static bool parse_etag(const char *text, char md5[33])
{
    size_t quotes = strspn(text, "\" "), len = strcspn(text + quotes, "\" ");

    if (len != 32)
        return false;
    memcpy(md5, text + quotes, 32);
    md5[32] = '\0';
    return true;
}

/* The parts listed in the body, in the arena. Answers itself. */
static int read_wanted(struct s3_call *call, struct wanted *list, size_t *count)
{
    const char *path, *text;
    struct wanted next = {0};
    struct err err = {0};
    enum s3_code code = S3_MALFORMED_XML;
    struct xml xml;
    int rc;

    xml_init(&xml, call->arena, buf_slice(&call->body.text));
    while (xml_next(&xml, &path, &text, &rc, &err)) {
        int64_t number = 0;

        if (strcmp(path, "CompleteMultipartUpload/Part/PartNumber") == 0) {
            rc = slice_to_i64(slice_str(text), &number);
            next.number = number > 0 && number <= S3_PARTS_MAX ? (int)number : 0;
        } else if (strcmp(path, "CompleteMultipartUpload/Part/ETag") == 0 &&
                   !parse_etag(text, next.md5)) {
            code = S3_INVALID_PART;
            rc = ERR_INVALID;
        } else if (strncmp(path, "CompleteMultipartUpload/Part/Checksum", 37) == 0 &&
                   s3_sum_named(path + 37, &next.sum_kind)) {
            next.sum = text;
        } else if (strcmp(path, "CompleteMultipartUpload/Part") == 0) {
            if (!next.number || !next.md5[0] || *count == S3_PARTS_MAX) {
                rc = ERR_INVALID;
            } else if (*count && next.number <= list[*count - 1].number) {
                code = S3_INVALID_PART_ORDER;
                rc = ERR_INVALID;
            } else {
                list[(*count)++] = next;
                next = (struct wanted){0};
            }
        }
        if (rc)
            break;
    }
    xml_deinit(&xml);
    if (!rc && *count == 0)
        rc = ERR_INVALID;
    if (rc)
        s3_error(call, code, NULL);
    return rc;
}

/* "MD5 of the parts' MD5s"-COUNT. */
static int joined_etag(const struct wanted *list, size_t count, char out[48])
{
    struct digest *digest;
    uint8_t raw[32];
    char hex[33];

    if (digest_new(&digest, DIGEST_MD5))
        return ERR_NOMEM;
    for (size_t i = 0; i < count; i++) {
        if (hex_decode(slice_of(list[i].md5, 32), raw)) {
            digest_free(digest);
            return ERR_INVALID;
        }
        digest_update(digest, raw, 16);
    }
    digest_final(digest, raw);
    hex_encode(raw, 16, hex);
    snprintf(out, 48, "%s-%zu", hex, count);
    return 0;
}

/* Are the parts there, with these ETags, and large enough? Gives their files in order. */
static int check_wanted(struct s3_call *call, const struct parts *parts, const struct wanted *list,
                        size_t count, const struct part **chosen)
{
    for (size_t i = 0; i < count; i++) {
        const struct part *part = find_part(parts, list[i].number);

        if (!part || strcasecmp(part->md5, list[i].md5)) {
            s3_error(call, S3_INVALID_PART, NULL);
            return ERR_INVALID;
        }
        if (i + 1 < count && part->size < S3_PART_MIN) {
            s3_error(call, S3_ENTITY_TOO_SMALL, NULL);
            return ERR_INVALID;
        }
        if (list[i].sum && part->has_sum && part->sum_kind != list[i].sum_kind) {
            s3_error(call, S3_BAD_DIGEST,
                     "The %s you specified for part %d did not match what we received.",
                     s3_sum_word(list[i].sum_kind), list[i].number);
            return ERR_INVALID;
        }
        if (list[i].sum && (!part->has_sum || strcmp(part->sum, list[i].sum))) {
            s3_error(call, S3_INVALID_PART, NULL);
            return ERR_INVALID;
        }
        chosen[i] = part;
    }
    return 0;
}

/* The checksum of the whole: of all bytes (FULL_OBJECT), or of the parts' checksums (COMPOSITE,
 * with or without "-PARTS" behind). Which of the two the upload was begun with says; a client that
 * tells a sum without having said before may mean either, so both are computed. */
struct joined_sum {
    bool wanted;
    const char *expected; /* NULL: none was told */
    enum s3_sum kind;
    bool typed, full_object;
    struct s3_checksum full, composite;
    char found[S3_SUM_TEXT + 8]; /* the one that was meant */
};

static void joined_sum_deinit(struct joined_sum *sum)
{
    s3_checksum_deinit(&sum->full);
    s3_checksum_deinit(&sum->composite);
}

/* ERR_INVALID is answered. */
static int joined_sum_begin(struct s3_call *call, const struct upload *upload,
                            struct joined_sum *sum)
{
    const char *type = s3_header(call, "x-amz-checksum-type"), *begun;
    enum s3_sum told = S3_SUM_CRC32;

    *sum = (struct joined_sum){0};
    for (int kind = 0; kind < S3_SUM_COUNT && !sum->expected; kind++) {
        sum->expected = s3_header(call, s3_sum_header((enum s3_sum)kind));
        told = (enum s3_sum)kind;
    }
    sum->kind = told;
    sum->typed = s3_upload_sum(upload->info, &sum->kind, &sum->full_object);
    if (sum->expected && sum->kind != told) /* of another kind: not of this upload */
        sum->expected = NULL;
    begun = sum->full_object ? S3_FULL_OBJECT : S3_COMPOSITE;
    if (type && sum->typed && strcmp(type, begun)) {
        s3_error(call, S3_INVALID_REQUEST,
                 "The upload was created using the %s checksum mode. The complete request must use "
                 "the same checksum mode.",
                 begun);
        return ERR_INVALID;
    }
    sum->wanted = sum->expected || sum->typed;
    if (!sum->wanted)
        return 0;
    return s3_checksum_new(&sum->full, sum->kind) || s3_checksum_new(&sum->composite, sum->kind)
               ? ERR_NOMEM
               : 0;
}

/* False: the parts give another one. */
static bool joined_sum_end(struct joined_sum *sum, size_t count)
{
    char full[S3_SUM_TEXT], composite[S3_SUM_TEXT];
    size_t len = sum->expected ? strcspn(sum->expected, "-") : 0;
    bool is_full;

    s3_checksum_final(&sum->full, full);
    s3_checksum_final(&sum->composite, composite);
    is_full = sum->typed ? sum->full_object : strcmp(sum->expected, full) == 0;
    if (is_full)
        snprintf(sum->found, sizeof(sum->found), "%s", full);
    else
        snprintf(sum->found, sizeof(sum->found), "%s-%zu", composite, count);
    return !sum->expected || strcmp(sum->expected, sum->found) == 0 ||
           (!is_full && len == strlen(composite) && memcmp(sum->expected, composite, len) == 0);
}

/* In a composite sum a part counts by its own; in that of the whole, too, when it is a CRC. Parts
 * are read where neither is known. */
static int joined_sum_part(struct joined_sum *sum, const struct joining *joining,
                           const struct part *part, struct err *err)
{
    struct buf raw = {.max = 2 * DIGEST_BYTES_MAX};
    char own[S3_SUM_TEXT];
    int rc = 0;

    if (part->has_sum && part->sum_kind == sum->kind)
        memcpy(own, part->sum, sizeof(own));
    else
        rc = s3_part_sum(joining, part, sum->kind, own, err);
    if (!rc && s3_sum_is_crc(sum->kind))
        rc = s3_checksum_append(&sum->full, own, part->size);
    else if (!rc && (!sum->typed || sum->full_object))
        rc = s3_part_add(joining, part, &sum->full, err);
    rc = rc ? rc : base64_decode(slice_str(own), &raw);
    if (!rc)
        s3_checksum_update(&sum->composite, buf_slice(&raw));
    buf_deinit(&raw);
    return rc;
}

static int joined_sum_parts(struct joined_sum *sum, const struct joining *joining, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < joining->count && sum->wanted && !rc; i++)
        rc = joined_sum_part(sum, joining, joining->chosen[i], err);
    return rc;
}

/* What is told of the checksum; name NULL: nothing. */
struct told_sum {
    const char *name, *type;
    char value[S3_SUM_TEXT + 8];
};

static void reply_completed(struct s3_call *call, const char *etag, const struct told_sum *told)
{
    struct buf xml = {0}, where = {0};
    char quoted[64];

    snprintf(quoted, sizeof(quoted), "\"%s\"", etag);
    buf_printf(&where, "http://%s%s", s3_header(call, "host") ? s3_header(call, "host") : "",
               http_path(call->req));
    buf_append_str(&xml, "<CompleteMultipartUploadResult" S3_XMLNS ">");
    xml_element(&xml, "Location", buf_cstr(&where) ? (const char *)where.ptr : "");
    xml_element(&xml, "Bucket", call->bucket);
    xml_element(&xml, "Key", call->key);
    xml_element(&xml, "ETag", quoted);
    if (told->name) {
        s3_put_sum(call, &xml, told->name, told->value);
        xml_element(&xml, "ChecksumType", told->type);
    }
    buf_append_str(&xml, "</CompleteMultipartUploadResult>");
    buf_deinit(&where);
    s3_reply_xml(call, &xml);
}

/* The answer to an earlier complete may have been lost: is the object there, made of these parts?
 */
static bool completed_before(struct s3_call *call, const char *etag)
{
    struct store *store = call->server->store;
    struct store_info info;

    return store->ops->head(store, call->bucket, call->key, &info, NULL) == 0 &&
           strcmp(info.etag, etag) == 0;
}

/* The metadata kept since the beginning, the checksum of the whole, the sizes of the parts. */
static const char *joined_metadata(struct s3_call *call, const struct upload *upload,
                                   const struct joined_sum *sum, const struct part **chosen,
                                   size_t count)
{
    const char *kept = json_string_value(json_object_get(upload->info, "metadata")), *text = kept;
    int64_t *sizes = ARENA_ARRAY(call->arena, int64_t, count);
    struct buf printed = {.max = sizeof(((struct store_info *)0)->metadata) - 1};
    const char *parts;
    json_t *metadata = NULL;

    for (size_t i = 0; sizes && i < count; i++)
        sizes[i] = chosen[i]->size;
    parts = sizes ? s3_part_sizes(call->arena, sizes, count) : NULL;
    if (kept)
        json_parse(slice_str(kept), &metadata, NULL);
    if (!metadata)
        metadata = json_object();
    if (sum->wanted)
        json_object_set_new(metadata, s3_sum_header(sum->kind), json_string(sum->found));
    if (parts)
        json_object_set_new(metadata, S3_PART_SIZES, json_string(parts));
    if (json_print(metadata, 0, &printed, NULL) == 0) /* too long: only what the user gave */
        text = arena_cstr(call->arena, buf_slice(&printed));
    json_decref(metadata);
    buf_deinit(&printed);
    return text;
}

static void read_conditions(struct s3_call *call, struct store_put_options *out)
{
    const char *none = s3_header(call, "if-none-match"), *match = s3_header(call, "if-match");

    out->if_none_match = none && strcmp(none, "*") == 0;
    if (match) {
        match += match[0] == '"';
        out->if_match = arena_cstr(call->arena, slice_of(match, strcspn(match, "\"")));
    }
}

/* The file is the object's from here on. Nobody may write into the upload's own meanwhile. */
static int put_file(struct joining *joining, const struct store_put_options *options,
                    struct store_info *made, struct err *err)
{
    struct s3_call *call = joining->call;
    struct store *store = call->server->store;
    struct s3_claim *seal = s3_upload_seal(call->server, joining->upload->id);
    int rc;

    joining->path = s3_staged_path(call->server, call->arena);
    rc = joining->path ? s3_join(joining, seal, err) : ERR_NOMEM;
    if (!rc)
        rc =
            store->ops->put_file(store, call->bucket, call->key, joining->path, options, made, err);
    if (rc && joining->path && !joining->placed)
        disk_unlink(s3_disk(call->server), joining->path, NULL);
    s3_claim_release(call->server, seal);
    return rc;
}

/* Joins the parts and puts them. Answers itself when it fails. */
static int put_joined(struct joining *joining, const char *etag, struct store_info *made,
                      struct told_sum *told)
{
    struct s3_call *call = joining->call;
    const struct upload *upload = joining->upload;
    struct store_put_options options = {
        .etag = etag,
        .content_type = json_string_value(json_object_get(upload->info, "content_type")),
        .tags = json_string_value(json_object_get(upload->info, "tags"))};
    struct joined_sum sum;
    struct err err = {0};
    int rc = joined_sum_begin(call, upload, &sum);

    if (rc == ERR_INVALID)
        return rc;
    read_conditions(call, &options);
    rc = rc ? rc : joined_sum_parts(&sum, joining, &err);
    if (!rc && sum.wanted && !joined_sum_end(&sum, joining->count)) {
        s3_error(call, S3_BAD_DIGEST, "The %s you specified did not match the calculated checksum.",
                 s3_sum_name(sum.kind));
        joined_sum_deinit(&sum);
        return ERR_INVALID;
    }
    options.user_metadata = joined_metadata(call, upload, &sum, joining->chosen, joining->count);
    rc = rc ? rc : put_file(joining, &options, made, &err);
    if (rc)
        s3_fail(call, rc, &err);
    if (!rc && sum.wanted) {
        told->name = s3_sum_name(sum.kind);
        told->type = strchr(sum.found, '-') ? S3_COMPOSITE : S3_FULL_OBJECT;
        snprintf(told->value, sizeof(told->value), "%s", sum.found);
    }
    joined_sum_deinit(&sum);
    return rc;
}

/* There are parts in a file that is not there: it was named, and power went before the folder did.
 */
static bool is_moved_on(const struct parts *parts)
{
    bool placed = false;

    for (size_t i = 0; i < parts->count; i++)
        placed |= parts->list[i].placed;
    return placed && !parts->whole;
}

static void finish(struct s3_call *call, const struct upload *upload, const char *etag,
                   const struct told_sum *told)
{
    disk_remove_tree(s3_disk(call->server), upload->dir, NULL);
    reply_completed(call, etag, told);
}

/* Caller holds the upload's lock: of two that ask at once, the second finds it done. */
static void complete(struct s3_call *call, const struct wanted *list, size_t count,
                     const struct part **chosen, const char *etag)
{
    struct told_sum told = {0};
    struct upload upload = {0};
    struct store_info made;
    struct parts parts;
    struct joining joining = {
        .call = call, .upload = &upload, .parts = &parts, .chosen = chosen, .count = count};
    struct err err = {0};
    int rc;

    if (s3_upload_find(call, &upload)) {
        if (completed_before(call, etag)) {
            http_reply_clear(call->reply);
            reply_completed(call, etag, &told);
        }
        return;
    }
    rc = s3_upload_parts(call, &upload, &parts, &err);
    if (rc)
        s3_fail(call, rc, &err);
    else if (is_moved_on(&parts) && completed_before(call, etag))
        finish(call, &upload, etag, &told);
    else if (check_wanted(call, &parts, list, count, chosen) == 0 &&
             put_joined(&joining, etag, &made, &told) == 0) {
        finish(call, &upload, etag, &told);
        if (strcmp(made.version, "null"))
            s3_put_version(call, made.version);
    }
    json_decref(upload.info);
}

void s3_complete_upload(struct s3_call *call)
{
    struct wanted *list = ARENA_ARRAY(call->arena, struct wanted, S3_PARTS_MAX);
    const struct part **chosen = ARENA_ARRAY(call->arena, const struct part *, S3_PARTS_MAX);
    const char *id = s3_query(call, "uploadId");
    pthread_mutex_t *lock = s3_upload_lock(call->server, id);
    size_t count = 0;
    char etag[48];

    if (!list || !chosen) {
        s3_error(call, S3_INTERNAL_ERROR, NULL);
        return;
    }
    if (read_wanted(call, list, &count))
        return;
    if (joined_etag(list, count, etag)) {
        s3_error(call, S3_INVALID_PART, NULL);
        return;
    }
    pthread_mutex_lock(lock);
    complete(call, list, count, chosen, etag);
    pthread_mutex_unlock(lock);
}
