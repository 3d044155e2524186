/* run.c - evaluates every recorded vector the way a job would (parse, bind, print, DuckDB) and
 * compares with what a real Flink answered.
 *
 *   run VECTORS_DIR DIFFERENCES [-v] [FILE.tsv ...]
 *
 * DIFFERENCES lists the vectors that are known to differ, one per line: file, zone, expression,
 * reason, parted by tabs. The run fails when a vector differs that is not listed, and when one is
 * listed that no longer differs. -v prints each difference, in the form of that file.
 */
#include <stdio.h>

#include "sql/sql.h"
#include "vec/vec.h"

struct counts {
    int equal, listed, unlisted;
};

static struct vec_db *db;
static struct vec_conn *conn;
static bool verbose;

/* ---- values as the recorder spells them ---- */

static int put(struct buf *out, const struct sql_type *type, duckdb_logical_type duck,
               duckdb_vector vector, idx_t row);

static int put_text(struct buf *out, struct slice s)
{
    int rc = buf_append_u8(out, '\'');

    for (size_t i = 0; !rc && i < s.len; i++) {
        if (s.ptr[i] == '\\')
            rc = buf_append_str(out, "\\\\");
        else if (s.ptr[i] < ' ' || s.ptr[i] == 127)
            rc = buf_printf(out, "\\u%04x", s.ptr[i]);
        else
            rc = buf_append_u8(out, s.ptr[i]);
    }
    return rc ? rc : buf_append_u8(out, '\'');
}

static int put_bytes(struct buf *out, struct slice s)
{
    int rc = buf_append_str(out, "x'");

    for (size_t i = 0; !rc && i < s.len; i++)
        rc = buf_printf(out, "%02x", s.ptr[i]);
    return rc ? rc : buf_append_u8(out, '\'');
}

/* LocalTime.toString: seconds only when they or a fraction are there; 3, 6 or 9 digits. */
static int put_clock(struct buf *out, int64_t nanos, bool seconds)
{
    int64_t fraction = nanos % 1000000000, second = nanos / 1000000000;
    int digits = fraction == 0 ? 0 : fraction % 1000000 == 0 ? 3 : fraction % 1000 == 0 ? 6 : 9;
    char text[24];
    size_t len = vec_text_time(nanos, digits, text);

    if (!seconds && digits == 0 && second % 60 == 0)
        len = 5;
    return buf_append(out, text, len);
}

static int put_timestamp(struct buf *out, int64_t value, int64_t units, bool instant)
{
    int64_t per_day = 86400 * units, days = value / per_day - (value % per_day < 0);
    char date[24];
    int rc = buf_append(out, date, vec_text_date(days, date));

    rc = rc ? rc : buf_append_u8(out, 'T');
    rc = rc ? rc : put_clock(out, (value - days * per_day) * (1000000000 / units), instant);
    return rc || !instant ? rc : buf_append_u8(out, 'Z');
}

static int put_list(struct buf *out, const struct sql_type *type, duckdb_logical_type duck,
                    duckdb_vector vector, idx_t row)
{
    duckdb_list_entry entry = ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row];
    duckdb_logical_type item = duckdb_list_type_child_type(duck);
    int rc = buf_append_u8(out, '[');

    for (idx_t i = 0; !rc && i < entry.length; i++) {
        rc = i ? buf_append_str(out, ", ") : 0;
        rc =
            rc ? rc
               : put(out, type->item, item, duckdb_list_vector_get_child(vector), entry.offset + i);
    }
    duckdb_destroy_logical_type(&item);
    return rc ? rc : buf_append_u8(out, ']');
}

static int text_cmp(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Entries in the order of their text: a map has none of its own. */
static int put_map(struct buf *out, const struct sql_type *type, duckdb_logical_type duck,
                   duckdb_vector vector, idx_t row)
{
    duckdb_list_entry entry = ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row];
    duckdb_vector entries = duckdb_list_vector_get_child(vector);
    duckdb_logical_type key = duckdb_map_type_key_type(duck),
                        value = duckdb_map_type_value_type(duck);
    char **texts = calloc(entry.length + 1, sizeof(*texts));
    int rc = texts ? buf_append_u8(out, '{') : ERR_NOMEM;

    for (idx_t i = 0; !rc && i < entry.length; i++) {
        struct buf one = {0};

        rc = put(&one, type->key ? type->key : type->item, key,
                 duckdb_struct_vector_get_child(entries, 0), entry.offset + i);
        rc = rc ? rc : buf_append_u8(&one, '=');
        rc = rc ? rc
                : put(&one, type->kind == SQL_MULTISET ? &sql_type_int : type->item, value,
                      duckdb_struct_vector_get_child(entries, 1), entry.offset + i);
        texts[i] = strdup(buf_cstr(&one));
        buf_deinit(&one);
    }
    qsort(texts, entry.length, sizeof(*texts), text_cmp);
    for (idx_t i = 0; i < entry.length; i++) {
        rc = rc ? rc : i ? buf_append_str(out, ", ") : 0;
        rc = rc ? rc : buf_append_str(out, texts[i]);
        free(texts[i]);
    }
    free(texts);
    duckdb_destroy_logical_type(&key);
    duckdb_destroy_logical_type(&value);
    return rc ? rc : buf_append_u8(out, '}');
}

static int put_row(struct buf *out, const struct sql_type *type, duckdb_logical_type duck,
                   duckdb_vector vector, idx_t row)
{
    int rc = buf_append_u8(out, '(');

    for (size_t i = 0; !rc && i < type->field_count; i++) {
        duckdb_logical_type child = duckdb_struct_type_child_type(duck, i);

        rc = i ? buf_append_str(out, ", ") : 0;
        rc = rc ? rc
                : put(out, type->fields[i].type, child, duckdb_struct_vector_get_child(vector, i),
                      row);
        duckdb_destroy_logical_type(&child);
    }
    return rc ? rc : buf_append_u8(out, ')');
}

static int put(struct buf *out, const struct sql_type *type, duckdb_logical_type duck,
               duckdb_vector vector, idx_t row)
{
    void *data = duckdb_vector_get_data(vector);
    duckdb_string_t *s = (duckdb_string_t *)data + row;
    duckdb_interval v;
    char text[64];

    if (!duckdb_validity_row_is_valid(duckdb_vector_get_validity(vector), row))
        return buf_append_str(out, "NULL");
    switch (duckdb_get_type_id(duck)) {
    case DUCKDB_TYPE_BOOLEAN:
        return buf_append_str(out, ((bool *)data)[row] ? "true" : "false");
    case DUCKDB_TYPE_TINYINT:
        return buf_printf(out, "%d", ((int8_t *)data)[row]);
    case DUCKDB_TYPE_SMALLINT:
        return buf_printf(out, "%d", ((int16_t *)data)[row]);
    case DUCKDB_TYPE_INTEGER:
        return buf_printf(out, "%d", ((int32_t *)data)[row]);
    case DUCKDB_TYPE_BIGINT:
        return buf_printf(out, "%" PRId64, ((int64_t *)data)[row]);
    case DUCKDB_TYPE_FLOAT:
        return buf_append(out, text, vec_text_float(((float *)data)[row], text));
    case DUCKDB_TYPE_DOUBLE:
        return buf_append(out, text, vec_text_double(((double *)data)[row], text));
    case DUCKDB_TYPE_DECIMAL:
        return buf_append(
            out, text,
            vec_text_decimal(vec_decimal_at(duck, data, row), duckdb_decimal_scale(duck), text));
    case DUCKDB_TYPE_VARCHAR:
        return put_text(out, slice_of(duckdb_string_t_data(s), duckdb_string_t_length(*s)));
    case DUCKDB_TYPE_BLOB:
        return put_bytes(out, slice_of(duckdb_string_t_data(s), duckdb_string_t_length(*s)));
    case DUCKDB_TYPE_DATE:
        return buf_append(out, text, vec_text_date(((int32_t *)data)[row], text));
    case DUCKDB_TYPE_TIME:
        return put_clock(out, ((int64_t *)data)[row] * 1000, false);
    case DUCKDB_TYPE_TIMESTAMP:
        return put_timestamp(out, ((int64_t *)data)[row], 1000000, false);
    case DUCKDB_TYPE_TIMESTAMP_NS:
        return put_timestamp(out, ((int64_t *)data)[row], 1000000000,
                             type->kind == SQL_TIMESTAMP_LTZ);
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        return put_timestamp(out, ((int64_t *)data)[row], 1000000, true);
    case DUCKDB_TYPE_INTERVAL:
        v = ((duckdb_interval *)data)[row];
        if (type->kind == SQL_INTERVAL_YM)
            return buf_printf(out, "%d months", v.months);
        return buf_printf(out, "%" PRId64 " ms", v.days * (int64_t)86400000 + v.micros / 1000);
    case DUCKDB_TYPE_LIST:
        return put_list(out, type, duck, vector, row);
    case DUCKDB_TYPE_MAP:
        return put_map(out, type, duck, vector, row);
    case DUCKDB_TYPE_STRUCT:
        return put_row(out, type, duck, vector, row);
    default:
        return buf_printf(out, "(DuckDB type %d)", (int)duckdb_get_type_id(duck));
    }
}

/* ---- one vector ---- */

static int no_table(void *arg, const char *const *parts, size_t count, const struct sql_table **out,
                    struct err *err)
{
    (void)arg;
    (void)count;
    (void)out;
    return err_set(err, ERR_NOENT, "there is no table %s", parts[0]);
}

static int evaluate(const char *zone, const char *expression, struct arena *arena, struct buf *type,
                    struct buf *value, struct err *err)
{
    struct sql_resolver resolver = {.table = no_table, .time_zone = zone};
    struct sql_duckdb_options options = {0};
    const char *text = arena_printf(arena, "SELECT %s AS c", expression);
    const struct sql_output *outputs;
    struct vec_result *result = NULL;
    struct sql_query *query;
    struct sql_bound *bound;
    duckdb_data_chunk chunk = NULL;
    struct buf sql = {0};
    size_t count;
    int rc = sql_parse_query(slice_str(text), arena, &query, err);

    rc = rc ? rc : sql_bind_query(query, &resolver, arena, &bound, err);
    if (rc)
        return rc;
    outputs = sql_bound_outputs(bound, &count);
    sql_type_print(outputs[0].type, type);
    rc = sql_print_duckdb(bound, &options, &sql, err);
    if (!rc && verbose && getenv("SHOW_SQL"))
        fprintf(stderr, "%s\n", buf_cstr(&sql));
    rc = rc ? rc : vec_query(conn, buf_cstr(&sql), &result, err);
    rc = rc ? rc : vec_result_next(result, &chunk, err);
    if (!rc && chunk)
        rc = put(value, outputs[0].type, vec_result_columns(result)->list[0].type,
                 duckdb_data_chunk_get_vector(chunk, 0), 0);
    vec_result_free(result);
    buf_deinit(&sql);
    return rc;
}

/* Flink's batch sink refuses a null in a column that is typed NOT NULL: it was a null. */
static bool same(const char *recorded, const char *got, bool failed)
{
    if (!strncmp(recorded, "!TableException: Column 'c", 26))
        return !failed && !strcmp(got, "NULL");
    if (recorded[0] == '!')
        return failed;
    return !failed && !strcmp(recorded, got);
}

/* Types count without their lengths and NOT NULLs: no value depends on these. */
static void type_plain(char *type)
{
    static const struct {
        const char *from, *to;
    } names[] = {
        {"VARCHAR(", "STRING"}, {"CHAR(", "STRING"}, {"VARBINARY(", "BYTES"}, {"BINARY(", "BYTES"}};
    char *out = type, *in = type;

    while (*in) {
        size_t i = 0;

        while (i < COUNT_OF(names) && strncmp(in, names[i].from, strlen(names[i].from)))
            i++;
        if (!strncmp(in, " NOT NULL", 9)) {
            in += 9;
        } else if (i < COUNT_OF(names)) {
            in += strcspn(in, ")") + 1;
            memcpy(out, names[i].to, strlen(names[i].to)); /* not longer than what it replaces */
            out += strlen(names[i].to);
        } else {
            *out++ = *in++;
        }
    }
    *out = '\0';
}

/* ---- files ---- */

static char *field(char **at)
{
    char *start = *at, *tab = start ? strchr(start, '\t') : NULL;

    *at = tab ? tab + 1 : NULL;
    if (tab)
        *tab = '\0';
    return start ? start : (char *)"";
}

static bool listed(const struct buf *differences, const char *file, const char *zone,
                   const char *expression)
{
    char *line = NULL;
    bool found;

    if (!differences->len || asprintf(&line, "\n%s\t%s\t%s\t", file, zone, expression) < 0)
        return false;
    found = strstr((const char *)differences->ptr, line) != NULL;
    free(line);
    return found;
}

static void check_line(const char *file, char *line, const struct buf *differences,
                       struct counts *counts)
{
    struct arena arena = {0};
    struct buf type = {0}, value = {0};
    struct err err = {0};
    char *zone = field(&line), *expression = field(&line);
    char *type_was, *value_was = NULL;
    bool failed, equal, known;

    type_was = field(&line);
    value_was = field(&line);
    failed = evaluate(zone, expression, &arena, &type, &value, &err) != 0;
    equal = same(value_was, buf_cstr(&value), failed);
    buf_cstr(&type);
    type_plain(type_was);
    type_plain((char *)type.ptr);
    if (equal && !failed && value_was[0] != '!' && strcmp(buf_cstr(&type), type_was)) {
        equal = false;
        buf_printf(&value, " of type %s, not %s", buf_cstr(&type), type_was);
    }
    known = listed(differences, file, zone, expression);
    if (equal && known)
        printf("%s\t%s\t%s\tno longer differs: take it off the list\n", file, zone, expression);
    else if (!equal && (verbose || !known))
        printf("%s\t%s\t%s\t%s instead of %s\n", file, zone, expression,
               failed ? err.text : buf_cstr(&value), value_was);
    if (equal != known)
        (equal ? &counts->equal : &counts->listed)[0]++;
    else
        counts->unlisted++;
    buf_deinit(&type);
    buf_deinit(&value);
    arena_deinit(&arena);
}

static int check_file(const char *dir, const char *file, const struct buf *differences,
                      struct counts *total)
{
    struct buf path = {0}, text = {0};
    struct counts counts = {0};
    char *line, *next;
    struct err err = {0};

    buf_printf(&path, "%s/%s", dir, file);
    if (disk_read_file(disk_system(), buf_cstr(&path), &text, &err)) {
        printf("%s\n", err.text);
        return 1;
    }
    buf_cstr(&text);
    for (line = (char *)text.ptr; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (*line != '#')
            check_line(file, line, differences, &counts);
    }
    fprintf(stderr, "%-18s %5d equal, %4d known to differ, %4d wrong\n", file, counts.equal,
            counts.listed, counts.unlisted);
    total->equal += counts.equal;
    total->listed += counts.listed;
    total->unlisted += counts.unlisted;
    buf_deinit(&path);
    buf_deinit(&text);
    return 0;
}

static int name_cmp(const void *a, const void *b)
{
    return strcmp(((const struct disk_entry *)a)->name, ((const struct disk_entry *)b)->name);
}

int main(int argc, char **argv)
{
    struct vec_options options = {.threads = 1, .memory_bytes = 256 << 20};
    struct buf differences = {0};
    struct disk_entry *entries;
    struct counts total = {0};
    struct arena arena = {0};
    struct err err = {0};
    size_t count;
    int files = 0;

    if (argc < 3) {
        fprintf(stderr, "usage: run VECTORS_DIR DIFFERENCES [-v] [FILE.tsv ...]\n");
        return 2;
    }
    buf_append_str(&differences, "\n");
    if (vec_db_new(&db, &options, &err) || vec_conn_new(&conn, db, &err) ||
        vec_functions_register(conn, &err) ||
        disk_read_file(disk_system(), argv[2], &differences, &err) ||
        disk_list(disk_system(), argv[1], &arena, &entries, &count, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    buf_cstr(&differences);
    for (int i = 3; i < argc; i++) {
        if (!strcmp(argv[i], "-v"))
            verbose = true;
        else
            files += check_file(argv[1], argv[i], &differences, &total) == 0;
    }
    qsort(entries, count, sizeof(*entries), name_cmp);
    for (size_t i = 0; files == 0 && i < count; i++)
        if (strstr(entries[i].name, ".tsv"))
            check_file(argv[1], entries[i].name, &differences, &total);
    fprintf(stderr, "%d vectors equal, %d known to differ, %d wrong\n", total.equal, total.listed,
            total.unlisted);
    vec_conn_free(conn);
    vec_db_free(db);
    arena_deinit(&arena);
    buf_deinit(&differences);
    return total.unlisted || total.equal == 0;
}
