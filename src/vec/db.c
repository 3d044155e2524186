/* db.c - instances and connections, and how DuckDB's failures become our errors. */
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>

#include "vec/vec_int.h"

/* DuckDB's kinds of error; what is not listed is the statement's or the data's fault. */
static const struct {
    duckdb_error_type type;
    int code;
} codes[] = {
    {DUCKDB_ERROR_OUT_OF_MEMORY, ERR_NOMEM},
    {DUCKDB_ERROR_INTERRUPT, ERR_CANCELLED},
    {DUCKDB_ERROR_IO, ERR_IO},
    {DUCKDB_ERROR_NOT_IMPLEMENTED, ERR_UNSUPPORTED},
    {DUCKDB_ERROR_INTERNAL, ERR_INTERNAL},
    {DUCKDB_ERROR_FATAL, ERR_INTERNAL},
    {DUCKDB_ERROR_PERMISSION, ERR_DENIED},
};

int vec_fail(struct err *err, duckdb_error_type type, const char *text, struct vec_slot *slot)
{
    int code = ERR_INVALID;

    if (slot && slot->err.code)
        return err_set(err, slot->err.code, "%s", slot->err.text);
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (codes[i].type == type)
            code = codes[i].code;
    return err_set(err, code, "%s", text ? text : "DuckDB gave no reason");
}

int vec_fail_result(struct err *err, duckdb_result *result, struct vec_slot *slot)
{
    return vec_fail(err, duckdb_result_error_type(result), duckdb_result_error(result), slot);
}

static int config_set(duckdb_config config, const char *name, const char *value, struct err *err)
{
    if (duckdb_set_config(config, name, value) == DuckDBSuccess)
        return 0;
    return err_set(err, ERR_INTERNAL, "DuckDB refuses %s = %s", name, value);
}

/* Nothing is fetched from the network behind our back, and no extension is found by name: those we
 * use are loaded by path. */
static int configure(duckdb_config config, const struct vec_options *options, struct err *err)
{
    char threads[24], memory[40];
    int rc;

    snprintf(threads, sizeof(threads), "%d", options->threads > 0 ? options->threads : 1);
    snprintf(memory, sizeof(memory), "%" PRId64 "B",
             options->memory_bytes > 0 ? options->memory_bytes : (int64_t)1 << 30);
    rc = config_set(config, "threads", threads, err);
    rc = rc ? rc : config_set(config, "memory_limit", memory, err);
    rc = rc ? rc : config_set(config, "autoinstall_known_extensions", "false", err);
    rc = rc ? rc : config_set(config, "autoload_known_extensions", "false", err);
    rc = rc ? rc : config_set(config, "allow_unsigned_extensions", "true", err);
    rc = rc ? rc : config_set(config, "allocator_flush_threshold", "16MB", err);
    /* It would keep what it read of files until the memory limit: files of ours are local, so the
     * kernel's page cache has them already, and those that are merged are read once. */
    rc = rc ? rc : config_set(config, "enable_external_file_cache", "false", err);
    if (!rc && options->temp_dir)
        rc = config_set(config, "temp_directory", options->temp_dir, err);
    return rc;
}

int vec_db_new(struct vec_db **out, const struct vec_options *options, struct err *err)
{
    struct vec_db *db = calloc(1, sizeof(*db));
    struct vec_conn *conn = NULL;
    duckdb_config config = NULL;
    char *text = NULL;
    int rc;

    if (!db || duckdb_create_config(&config) != DuckDBSuccess) {
        free(db);
        return err_set(err, ERR_NOMEM, "DuckDB instance");
    }
    pthread_mutex_init(&db->lock, NULL);
    rc = configure(config, options, err);
    if (!rc && duckdb_open_ext(NULL, &db->database, config, &text) != DuckDBSuccess)
        rc = err_set(err, ERR_INTERNAL, "DuckDB does not start: %s", text ? text : "no reason");
    duckdb_free(text);
    duckdb_destroy_config(&config);
    rc = rc ? rc : vec_conn_new(&conn, db, err);
    rc = rc ? rc : vec_feed_register(conn, err);
    rc = rc ? rc : vec_bits_register(conn, err);
    /* Sessions differ in zone; what depends on it says so itself. */
    rc = rc ? rc : vec_exec(conn, "SET GLOBAL TimeZone = 'UTC'", err);
    vec_conn_free(conn);
    if (rc) {
        vec_db_free(db);
        return rc;
    }
    *out = db;
    return 0;
}

void vec_db_free(struct vec_db *db)
{
    if (!db)
        return;
    assert(!db->slots); /* a fragment or copy outlives its instance */
    assert(!db->bits);
    if (db->database)
        duckdb_close(&db->database);
    pthread_mutex_destroy(&db->lock);
    free(db);
}

int vec_conn_new(struct vec_conn **out, struct vec_db *db, struct err *err)
{
    struct vec_conn *conn = calloc(1, sizeof(*conn));
    int rc;

    if (!conn)
        return err_set(err, ERR_NOMEM, "DuckDB connection");
    conn->db = db;
    if (duckdb_connect(db->database, &conn->raw) != DuckDBSuccess) {
        free(conn);
        return err_set(err, ERR_NOMEM, "DuckDB connection");
    }
    /* Progress is kept but not printed. */
    rc = vec_exec(conn, "SET enable_progress_bar = true", err);
    rc = rc ? rc : vec_exec(conn, "SET enable_progress_bar_print = false", err);
    if (rc) {
        vec_conn_free(conn);
        return rc;
    }
    *out = conn;
    return 0;
}

void vec_conn_free(struct vec_conn *conn)
{
    if (!conn)
        return;
    duckdb_disconnect(&conn->raw);
    free(conn);
}

duckdb_connection vec_conn_raw(struct vec_conn *conn)
{
    return conn->raw;
}

int vec_exec(struct vec_conn *conn, const char *sql, struct err *err)
{
    duckdb_result result;
    int rc = 0;

    if (duckdb_query(conn->raw, sql, &result) != DuckDBSuccess)
        rc = vec_fail_result(err, &result, NULL);
    duckdb_destroy_result(&result);
    return rc;
}

void vec_interrupt(struct vec_conn *conn)
{
    duckdb_interrupt(conn->raw);
}

double vec_query_progress(struct vec_conn *conn)
{
    double percentage = duckdb_query_progress(conn->raw).percentage;

    return percentage < 0 ? -1 : percentage / 100;
}

typedef int mallctl_fn(const char *, void *, size_t *, void *, size_t);

/* DuckDB carries jemalloc under a prefix of its own. NULL: the library was built without it. */
static mallctl_fn *find_mallctl(void)
{
    void *symbol = dlsym(RTLD_DEFAULT, "duckdb_je_mallctl");
    mallctl_fn *mallctl;

    memcpy(&mallctl, &symbol, sizeof(mallctl));
    return mallctl;
}

void vec_rest(void)
{
    mallctl_fn *mallctl = find_mallctl();
    unsigned arena;
    size_t size = sizeof(arena);
    char name[40];

    if (!mallctl || mallctl("thread.arena", &arena, &size, NULL, 0))
        return;
    snprintf(name, sizeof(name), "arena.%u.purge", arena);
    mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
    mallctl(name, NULL, NULL, NULL, 0);
}

/* It keeps freed pages for ten seconds of activity, so an idle program would hold them for ever.
 * Arena 4096 stands for all arenas (MALLCTL_ARENAS_ALL). Without it malloc_trim does the work. */
void vec_trim(struct vec_db *db)
{
    mallctl_fn *mallctl = find_mallctl();

    (void)db;
    if (mallctl) {
        mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
        mallctl("arena.4096.purge", NULL, NULL, NULL, 0);
    }
    malloc_trim(0);
}
