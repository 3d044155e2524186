/* feed.c - the table function through which rows enter DuckDB.
 *
 * One function, tarn_feed(NUMBER), serves all feeds of an instance; the number names a slot. DuckDB
 * binds a statement again when its catalog changed, so binding looks the slot up each time. A slot
 * outlives its statement (the fragment or copy frees them in that order), so what bind returned
 * stays valid for the scan.
 */
#include <ctype.h>
#include <strings.h>

#include "vec/vec_int.h"

/* One scan. The chunk position is the scan's own, since a fragment may read its feed twice. */
struct scan {
    size_t next_chunk;
};

static struct vec_slot *slot_find(struct vec_db *db, uint64_t number)
{
    struct vec_slot *slot;

    pthread_mutex_lock(&db->lock);
    for (slot = db->slots; slot && slot->number != number; slot = slot->next)
        ;
    pthread_mutex_unlock(&db->lock);
    return slot;
}

static void feed_bind(duckdb_bind_info info)
{
    struct vec_db *db = duckdb_bind_get_extra_info(info);
    duckdb_value value = duckdb_bind_get_parameter(info, 0);
    struct vec_slot *slot = slot_find(db, (uint64_t)duckdb_get_int64(value));

    duckdb_destroy_value(&value);
    if (!slot) {
        duckdb_bind_set_error(info, "no such feed");
        return;
    }
    for (size_t i = 0; i < slot->columns.count; i++)
        duckdb_bind_add_result_column(info, slot->columns.list[i].name, slot->columns.list[i].type);
    duckdb_bind_set_bind_data(info, slot, NULL);
}

static void feed_init(duckdb_init_info info)
{
    struct scan *scan = calloc(1, sizeof(*scan));

    if (!scan) {
        duckdb_init_set_error(info, "out of memory");
        return;
    }
    duckdb_init_set_init_data(info, scan, free);
    duckdb_init_set_max_threads(info, 1);
}

static void feed_next(duckdb_function_info info, duckdb_data_chunk out)
{
    struct vec_slot *slot = duckdb_function_get_bind_data(info);
    struct scan *scan = duckdb_function_get_init_data(info);

    if (slot->batch) {
        while (scan->next_chunk < slot->batch->count) {
            duckdb_data_chunk chunk = slot->batch->chunks[scan->next_chunk++];

            if (duckdb_data_chunk_get_size(chunk) == 0)
                continue; /* size 0 would end the scan */
            vec_chunk_refer(out, chunk);
            return;
        }
        duckdb_data_chunk_set_size(out, 0);
    } else if (slot->feed.pull) {
        if (slot->feed.pull(slot->feed.arg, out, &slot->err)) {
            if (!slot->err.code)
                err_set(&slot->err, ERR_INTERNAL, "a feed failed and gave no reason");
            duckdb_function_set_error(info, slot->err.text);
        }
    } else {
        duckdb_function_set_error(info, "the feed is closed");
    }
}

int vec_feed_register(struct vec_conn *conn, struct err *err)
{
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_logical_type type = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    duckdb_state state;

    duckdb_table_function_set_name(function, "tarn_feed");
    duckdb_table_function_add_parameter(function, type);
    duckdb_table_function_set_extra_info(function, conn->db, NULL);
    duckdb_table_function_set_bind(function, feed_bind);
    duckdb_table_function_set_init(function, feed_init);
    duckdb_table_function_set_function(function, feed_next);
    state = duckdb_register_table_function(conn->raw, function);
    duckdb_destroy_logical_type(&type);
    duckdb_destroy_table_function(&function);
    return state == DuckDBSuccess ? 0 : err_set(err, ERR_INTERNAL, "DuckDB refuses tarn_feed");
}

int vec_slot_new(struct vec_slot **out, struct vec_db *db, const struct vec_columns *columns,
                 struct err *err)
{
    struct vec_slot *slot = calloc(1, sizeof(*slot));

    if (!slot || vec_columns_copy(&slot->columns, columns)) {
        free(slot);
        return err_set(err, ERR_NOMEM, "feed of %zu columns", columns->count);
    }
    pthread_mutex_lock(&db->lock);
    slot->number = ++db->last_number;
    slot->next = db->slots;
    db->slots = slot;
    pthread_mutex_unlock(&db->lock);
    *out = slot;
    return 0;
}

void vec_slot_free(struct vec_db *db, struct vec_slot *slot)
{
    struct vec_slot **at;

    if (!slot)
        return;
    pthread_mutex_lock(&db->lock);
    for (at = &db->slots; *at != slot; at = &(*at)->next)
        ;
    *at = slot->next;
    pthread_mutex_unlock(&db->lock);
    vec_columns_free(&slot->columns);
    free(slot);
}

/* Past blanks and comments. */
static const char *skip_blank(const char *s)
{
    for (;;) {
        while (isspace((unsigned char)*s))
            s++;
        if (s[0] == '-' && s[1] == '-') {
            s += strcspn(s, "\n");
        } else if (s[0] == '/' && s[1] == '*') {
            const char *end = strstr(s + 2, "*/");

            s = end ? end + 2 : s + strlen(s);
        } else {
            return s;
        }
    }
}

static bool take_word(const char **s, const char *word)
{
    size_t len = strlen(word);

    if (strncasecmp(*s, word, len) || isalnum((unsigned char)(*s)[len]) || (*s)[len] == '_')
        return false;
    *s = skip_blank(*s + len);
    return true;
}

int vec_feed_sql(const struct vec_slot *slot, const char *sql, struct buf *out, struct err *err)
{
    const char *rest = skip_blank(sql);
    bool with = take_word(&rest, "WITH");
    bool recursive = with && take_word(&rest, "RECURSIVE");

    if (buf_printf(out, "WITH %sfeed AS NOT MATERIALIZED (FROM tarn_feed(%" PRIu64 "))%s%s",
                   recursive ? "RECURSIVE " : "", slot->number, with ? ", " : " ", rest))
        return err_set(err, ERR_NOMEM, "statement of %zu bytes", strlen(sql));
    return 0;
}

int vec_feed_each(const struct vec_feed *feed,
                  int (*take)(void *arg, duckdb_data_chunk chunk, struct err *err), void *arg,
                  struct err *err)
{
    idx_t rows = 1;
    int rc = 0;

    while (!rc && rows) {
        duckdb_data_chunk chunk = vec_chunk_new(feed->columns);

        rc = chunk ? feed->pull(feed->arg, chunk, err) : err_set(err, ERR_NOMEM, "rows");
        rows = rc ? 0 : duckdb_data_chunk_get_size(chunk);
        if (rows)
            rc = take(arg, chunk, err);
        duckdb_destroy_data_chunk(&chunk);
    }
    return rc;
}
