/* http_plan_print.c - files of a plan as JSON. REST catalog specification: FileScanTask, DataFile,
 * DeleteFile; single values as in Iceberg's table spec, appendix D, "JSON single-value
 * serialization". */
#include <math.h>

#include "base/codec.h"
#include "catalog/http_plan.h"

static int print_hex(struct buf *out, struct slice bytes)
{
    int rc = buf_append_u8(out, '"');

    for (size_t i = 0; !rc && i < bytes.len; i++)
        rc = buf_printf(out, "%02X", bytes.ptr[i]);
    return rc ? rc : buf_append_u8(out, '"');
}

static int print_value(const struct lake_type *type, const struct lake_value *value,
                       struct buf *out)
{
    struct buf text = {0};
    int rc;

    if (value->null)
        return buf_append_str(out, "null");
    switch (type->kind) {
    case LAKE_BOOLEAN:
        return buf_append_str(out, value->i ? "true" : "false");
    case LAKE_INT:
    case LAKE_LONG:
        return buf_printf(out, "%" PRId64, value->i);
    case LAKE_FLOAT:
    case LAKE_DOUBLE:
        if (isfinite(value->d))
            return buf_printf(out, "%.17g", value->d);
        return buf_append_str(out, isnan(value->d) ? "\"NaN\""
                                   : value->d > 0  ? "\"Infinity\""
                                                   : "\"-Infinity\"");
    case LAKE_FIXED:
    case LAKE_BINARY:
        return print_hex(out, value->bytes);
    default:
        rc = lake_value_text(type, value, &text);
        if (!rc)
            rc = json_quote(out, buf_slice(&text));
        buf_deinit(&text);
        return rc;
    }
}

static int print_partition(const struct lake_plan *plan, const struct lake_data_file *file,
                           struct buf *out)
{
    const struct lake_partition_spec *spec =
        lake_metadata_spec_by_id(plan->metadata, file->spec_id);
    struct arena arena = {0};
    struct lake_type *types = NULL;
    int rc = spec ? lake_spec_types(spec, plan->schema, &arena, &types, NULL) : 0;

    rc = rc ? rc : buf_append_str(out, ",\"partition\":[");
    for (size_t i = 0; !rc && types && i < file->partition_count && i < spec->field_count; i++) {
        rc = i ? buf_append_u8(out, ',') : 0;
        rc = rc ? rc : print_value(&types[i], &file->partition[i], out);
    }
    arena_deinit(&arena);
    return rc ? rc : buf_append_u8(out, ']');
}

static bool wanted(const struct plan_request *request, int32_t id)
{
    for (size_t i = 0; i < request->stats_count; i++)
        if (request->stats[i] == id)
            return true;
    return false;
}

/* ,"NAME":{"keys":[1,2],"values":[10,20]} over the columns that have the figure. */
static int print_counts(const struct lake_data_file *file, const struct plan_request *request,
                        const char *name, size_t at, struct buf *out)
{
    bool keys = true;
    int rc = buf_printf(out, ",\"%s\":{\"keys\":[", name);

    for (int pass = 0; !rc && pass < 2; pass++, keys = false) {
        bool first = true;

        for (size_t i = 0; !rc && i < file->metric_count; i++) {
            const struct lake_metric *m = &file->metrics[i];
            int64_t count = *(const int64_t *)((const char *)m + at);

            if (count < 0 || !wanted(request, m->field_id))
                continue;
            rc = buf_printf(out, "%s%" PRId64, first ? "" : ",", keys ? m->field_id : count);
            first = false;
        }
        rc = rc ? rc : buf_append_str(out, keys ? "],\"values\":[" : "]}");
    }
    return rc;
}

static int print_bounds(const struct lake_data_file *file, const struct plan_request *request,
                        const char *name, size_t at, struct buf *out)
{
    bool keys = true;
    int rc = buf_printf(out, ",\"%s\":{\"keys\":[", name);

    for (int pass = 0; !rc && pass < 2; pass++, keys = false) {
        bool first = true;

        for (size_t i = 0; !rc && i < file->metric_count; i++) {
            const struct lake_metric *m = &file->metrics[i];
            const struct slice *bound = (const struct slice *)((const char *)m + at);

            if (!bound->ptr || !wanted(request, m->field_id))
                continue;
            rc = first ? 0 : buf_append_u8(out, ',');
            rc = rc ? rc : keys ? buf_printf(out, "%d", m->field_id) : print_hex(out, *bound);
            first = false;
        }
        rc = rc ? rc : buf_append_str(out, keys ? "],\"values\":[" : "]}");
    }
    return rc;
}

static int print_metrics(const struct lake_data_file *file, const struct plan_request *request,
                         struct buf *out)
{
    static const struct {
        const char *name;
        size_t at;
    } counts[] = {
        {"column-sizes", offsetof(struct lake_metric, column_bytes)},
        {"value-counts", offsetof(struct lake_metric, value_count)},
        {"null-value-counts", offsetof(struct lake_metric, null_count)},
        {"nan-value-counts", offsetof(struct lake_metric, nan_count)},
    };
    int rc = 0;

    if (!request->stats_count)
        return 0;
    for (size_t i = 0; !rc && i < COUNT_OF(counts); i++)
        rc = print_counts(file, request, counts[i].name, counts[i].at, out);
    rc = rc ? rc
            : print_bounds(file, request, "lower-bounds", offsetof(struct lake_metric, lower), out);
    return rc ? rc
              : print_bounds(file, request, "upper-bounds", offsetof(struct lake_metric, upper),
                             out);
}

static int print_rest(const struct lake_data_file *file, struct buf *out)
{
    int rc = 0;

    if (file->key_metadata.ptr) {
        rc = buf_append_str(out, ",\"key-metadata\":");
        rc = rc ? rc : print_hex(out, file->key_metadata);
    }
    for (size_t i = 0; !rc && i < file->split_count; i++)
        rc =
            buf_printf(out, "%s%" PRId64, i ? "," : ",\"split-offsets\":[", file->split_offsets[i]);
    rc = rc || !file->split_count ? rc : buf_append_u8(out, ']');
    for (size_t i = 0; !rc && i < file->equality_count; i++)
        rc = buf_printf(out, "%s%d", i ? "," : ",\"equality-ids\":[", file->equality_ids[i]);
    rc = rc || !file->equality_count ? rc : buf_append_u8(out, ']');
    if (!rc && file->sort_order_id >= 0)
        rc = buf_printf(out, ",\"sort-order-id\":%d", file->sort_order_id);
    if (!rc && file->first_row_id >= 0)
        rc = buf_printf(out, ",\"first-row-id\":%" PRId64, file->first_row_id);
    if (!rc && file->referenced_data_file) {
        rc = buf_append_str(out, ",\"referenced-data-file\":");
        rc = rc ? rc : json_quote(out, slice_str(file->referenced_data_file));
    }
    if (!rc && file->content_pos >= 0 && file->content != LAKE_DATA)
        rc = buf_printf(out, ",\"content-offset\":%" PRId64 ",\"content-size-in-bytes\":%" PRId64,
                        file->content_pos, file->content_bytes);
    return rc;
}

static int print_file(const struct lake_plan *plan, const struct plan_request *request,
                      const struct lake_data_file *file, struct buf *out)
{
    static const char *const contents[] = {"data", "position-deletes", "equality-deletes"};
    int rc = buf_printf(out, "{\"spec-id\":%d,\"content\":\"%s\",\"file-path\":", file->spec_id,
                        contents[file->content]);

    rc = rc ? rc : json_quote(out, slice_str(file->path));
    rc = rc ? rc : buf_append_str(out, ",\"file-format\":\"");
    for (const char *at = file->format; !rc && *at; at++)
        rc = buf_append_u8(out, (uint8_t)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at));
    rc = rc ? rc : buf_append_u8(out, '"');
    rc = rc ? rc : print_partition(plan, file, out);
    rc = rc ? rc
            : buf_printf(out, ",\"file-size-in-bytes\":%" PRId64 ",\"record-count\":%" PRId64,
                         file->file_bytes, file->record_count);
    rc = rc ? rc : print_metrics(file, request, out);
    rc = rc ? rc : print_rest(file, out);
    return rc ? rc : buf_append_u8(out, '}');
}

/* `places` maps a delete of the plan to its place, from 1, among those of this answer. */
static int print_task(const struct lake_plan *plan, const struct plan_request *request,
                      const struct lake_scan_file *file, size_t *places, size_t *used,
                      struct buf *out)
{
    int rc = buf_append_str(out, "{\"data-file\":");

    rc = rc ? rc : print_file(plan, request, &file->entry.file, out);
    for (size_t i = 0; !rc && i < file->delete_count; i++) {
        size_t *place = &places[file->deletes[i]];

        if (!*place)
            *place = ++*used;
        rc = buf_printf(out, "%s%zu", i ? "," : ",\"delete-file-references\":[", *place - 1);
    }
    rc = rc || !file->delete_count ? rc : buf_append_u8(out, ']');
    if (!rc && request->residual)
        rc = buf_printf(out, ",\"residual-filter\":%s", request->residual);
    return rc ? rc : buf_append_u8(out, '}');
}

static int print_deletes(const struct lake_plan *plan, const struct plan_request *request,
                         const size_t *places, size_t used, struct buf *out)
{
    const struct lake_entry **order = calloc(used + 1, sizeof(*order));
    int rc = order ? 0 : ERR_NOMEM;

    for (size_t i = 0; !rc && i < plan->delete_count; i++)
        if (places[i])
            order[places[i] - 1] = &plan->deletes[i];
    for (size_t i = 0; !rc && i < used; i++) {
        rc = i ? buf_append_u8(out, ',') : 0;
        rc = rc ? rc : print_file(plan, request, &order[i]->file, out);
    }
    free(order);
    return rc;
}

int plan_print_files(const struct lake_plan *plan, const struct plan_request *request, size_t first,
                     size_t count, struct buf *out)
{
    size_t *places = calloc(plan->delete_count + 1, sizeof(*places)), used = 0;
    int rc = places ? buf_append_str(out, "\"file-scan-tasks\":[") : ERR_NOMEM;

    for (size_t i = 0; !rc && i < count; i++) {
        rc = i ? buf_append_u8(out, ',') : 0;
        rc = rc ? rc : print_task(plan, request, &plan->files[first + i], places, &used, out);
    }
    rc = rc ? rc : buf_append_str(out, "],\"delete-files\":[");
    rc = rc ? rc : print_deletes(plan, request, places, used, out);
    free(places);
    return rc ? rc : buf_append_u8(out, ']');
}
