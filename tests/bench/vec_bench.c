/* vec_bench.c - what decoding, fragments and copies cost, in rows per CPU second of one thread.
 *
 *   vec_bench [rows]
 */
#include <stdio.h>
#include <unistd.h>

#include "format/json.h"

#define COLUMNS 15
#define TEXTS   65536

static const struct {
    const char *name;
    duckdb_type type;
} charge[COLUMNS] = {
    {"charge_id", DUCKDB_TYPE_VARCHAR},      {"customer_id", DUCKDB_TYPE_VARCHAR},
    {"merchant_id", DUCKDB_TYPE_VARCHAR},    {"merchant_name", DUCKDB_TYPE_VARCHAR},
    {"amount", DUCKDB_TYPE_DECIMAL},         {"currency", DUCKDB_TYPE_VARCHAR},
    {"status", DUCKDB_TYPE_VARCHAR},         {"provider", DUCKDB_TYPE_VARCHAR},
    {"payment_method", DUCKDB_TYPE_VARCHAR}, {"card_brand", DUCKDB_TYPE_VARCHAR},
    {"card_last4", DUCKDB_TYPE_VARCHAR},     {"country", DUCKDB_TYPE_VARCHAR},
    {"risk_score", DUCKDB_TYPE_INTEGER},     {"failure_code", DUCKDB_TYPE_VARCHAR},
    {"created_at", DUCKDB_TYPE_TIMESTAMP},
};

static char *texts[TEXTS];
static size_t lens[TEXTS];
static struct vec_columns columns;
static struct json_decoder *decoder;

static void texts_make(bool wide)
{
    struct rng rng;
    size_t total = 0;

    rng_init(&rng, 7);
    for (int i = 0; i < TEXTS; i++) {
        char text[1024];
        unsigned r = (unsigned)rng_u64(&rng);

        if (wide)
            snprintf(text, sizeof(text),
                     "{\"charge_id\":\"ch_%08x\",\"customer_id\":\"cus_%u\",\"merchant_id\":"
                     "\"mer_%u\",\"merchant_name\":\"Merchant Number %u\",\"amount\":%u.%02u,"
                     "\"currency\":\"usd\",\"status\":\"succeeded\",\"provider\":\"stripe\","
                     "\"payment_method\":\"card\",\"card_brand\":\"visa\",\"card_last4\":\"%04u\","
                     "\"country\":\"US\",\"risk_score\":%u,\"failure_code\":null,\"created_at\":"
                     "\"2025-01-%02uT%02u:00:00.%03uZ\"}",
                     r, r % 9000, r % 500, r % 500, r % 900, r % 100, r % 10000, r % 100,
                     r % 28 + 1, r % 24, r % 1000);
        else
            snprintf(text, sizeof(text),
                     "{\"charge_id\":\"ch_%08x\",\"customer_id\":\"cus_%u\",\"amount\":%u.%02u,"
                     "\"currency\":\"usd\",\"status\":\"succeeded\",\"provider\":\"stripe\","
                     "\"country\":\"US\",\"risk_score\":%u,\"created_at\":"
                     "\"2025-01-%02uT%02u:00:00.%03uZ\"}",
                     r, r % 9000, r % 900, r % 100, r % 100, r % 28 + 1, r % 24, r % 1000);
        free(texts[i]);
        texts[i] = strdup(text);
        lens[i] = strlen(text);
        total += lens[i];
    }
    printf("%s records of %zu bytes\n", wide ? "15-field" : "9-field", total / TEXTS);
}

static duckdb_logical_type type_of(duckdb_type type)
{
    return type == DUCKDB_TYPE_DECIMAL ? duckdb_create_decimal_type(18, 2)
                                       : duckdb_create_logical_type(type);
}

static void decode_into(duckdb_data_chunk chunk, int64_t from, idx_t rows)
{
    struct json_fault fault;

    json_decode_begin(decoder, chunk);
    for (idx_t i = 0; i < rows; i++) {
        size_t n = (size_t)(from + (int64_t)i) % TEXTS;

        if (json_decode_row(decoder, slice_of(texts[n], lens[n]), i, &fault)) {
            printf("%s: %s\n", fault.path, fault.reason);
            exit(1);
        }
    }
    json_decode_end(decoder);
    duckdb_data_chunk_set_size(chunk, rows);
}

static void report(const char *what, int64_t rows, int64_t ns)
{
    printf("%-44s %10.0f rows per CPU second\n", what, (double)rows * 1e9 / (double)ns);
}

static void bench_decode(int64_t rows)
{
    duckdb_data_chunk chunk = vec_chunk_new(&columns);
    int64_t start = cpu_thread_ns();

    for (int64_t done = 0; done < rows; done += 2048) {
        duckdb_data_chunk_reset(chunk);
        decode_into(chunk, done, 2048);
    }
    report("decode", rows, cpu_thread_ns() - start);
    duckdb_destroy_data_chunk(&chunk);
}

static void fragment_time(struct vec_conn *conn, const char *what, const char *sql, int64_t rows,
                          int64_t per_batch)
{
    struct vec_fragment *fragment = NULL;
    struct err err = {0};
    int64_t start;

    if (vec_fragment_new(&fragment, conn, sql, &columns, &err)) {
        printf("%s\n", err.text);
        exit(1);
    }
    start = cpu_thread_ns();
    for (int64_t done = 0; done < rows; done += per_batch) {
        struct vec_batch in = {0}, out = {0};

        for (int64_t at = 0; at < per_batch; at += 2048) {
            duckdb_data_chunk chunk = vec_chunk_new(&columns);

            decode_into(chunk, done + at, (idx_t)(per_batch - at < 2048 ? per_batch - at : 2048));
            vec_batch_add(&in, chunk);
        }
        if (vec_fragment_run(fragment, &in, &out, &err)) {
            printf("%s\n", err.text);
            exit(1);
        }
        vec_batch_deinit(&in);
        vec_batch_deinit(&out);
    }
    start = cpu_thread_ns() - start;
    report(what, rows, start);
    printf("%-44s %10.3f ms per execution\n", "", (double)start / 1e6 * (double)per_batch /
                                                      (double)rows);
    vec_fragment_free(fragment);
}

struct source {
    int64_t next, rows;
};

static int pull(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct source *s = arg;
    int64_t left = s->rows - s->next;

    (void)err;
    if (left <= 0) {
        duckdb_data_chunk_set_size(out, 0);
        return 0;
    }
    decode_into(out, s->next, (idx_t)(left < 2048 ? left : 2048));
    s->next += 2048;
    return 0;
}

static void bench_copy(struct vec_conn *conn, int64_t rows, int level)
{
    char path[64], what[64];
    struct source source = {0, rows};
    struct vec_feed feed = {&columns, pull, &source};
    struct vec_copy_options options = {.path = path, .codec = "zstd", .level = level};
    struct vec_copy_result result;
    struct arena arena = {0};
    struct err err = {0};
    int64_t start = cpu_thread_ns();

    snprintf(path, sizeof(path), "/tmp/vec_bench.%d.parquet", (int)getpid());
    if (vec_copy_run(conn, &feed, &options, &arena, &result, &err)) {
        printf("%s\n", err.text);
        exit(1);
    }
    snprintf(what, sizeof(what), "decode and copy, zstd level %d", level);
    report(what, rows, cpu_thread_ns() - start);
    printf("%-44s %10.1f bytes per row\n", "", (double)result.file_bytes / (double)rows);
    unlink(path);
    arena_deinit(&arena);
}

int main(int argc, char **argv)
{
    int64_t rows = argc > 1 ? atoll(argv[1]) : 2000000;
    struct vec_options options = {.threads = 1, .memory_bytes = (int64_t)512 << 20};
    struct json_field fields[COLUMNS];
    struct vec_db *db;
    struct vec_conn *conn;
    struct err err = {0};

    for (int i = 0; i < COLUMNS; i++) {
        vec_columns_add(&columns, charge[i].name, type_of(charge[i].type));
        fields[i] = (struct json_field){.name = charge[i].name, .type = columns.list[i].type,
                                        .column = (idx_t)i, .precision = 3};
    }
    if (json_decoder_new(&decoder, &(struct json_decode_options){.fields = fields, .field_count =
                                                                                       COLUMNS},
                         &err) ||
        vec_db_new(&db, &options, &err) || vec_conn_new(&conn, db, &err) ||
        vec_functions_register(conn, &err)) {
        printf("%s\n", err.text);
        return 1;
    }
    for (int wide = 0; wide < 2; wide++) {
        texts_make(wide);
        bench_decode(rows);
        fragment_time(conn, "decode and project, 1 row", "SELECT charge_id, amount * 2 FROM feed",
                      2000, 1);
        fragment_time(conn, "decode and project, 16384 rows",
                      "SELECT *, upper(currency) AS c FROM feed WHERE amount > 1", rows, 16384);
        fragment_time(conn, "decode and GROUP BY, 16384 rows",
                      "SELECT time_bucket(INTERVAL 1 MINUTE, created_at) AS w, customer_id, "
                      "count(*), sum(amount) FROM feed GROUP BY ALL", rows, 16384);
        fragment_time(conn, "decode and Flink's functions, 16384 rows",
                      "SELECT charge_id, flink_upper(currency), flink_substring(customer_id, 5), "
                      "CAST(flink_dec_mul_4(amount, 1.19::DECIMAL(3,2), 22) AS DECIMAL(22,4)), "
                      "flink_date_format(created_at, 'yyyy-MM-dd', 'UTC') FROM feed", rows, 16384);
        bench_copy(conn, rows, 0);
        bench_copy(conn, rows, 1);
    }
    printf("resident %" PRId64 " MB", memory_resident_bytes() >> 20);
    vec_trim(db);
    printf(", trimmed %" PRId64 " MB\n", memory_resident_bytes() >> 20);
    for (int i = 0; i < TEXTS; i++)
        free(texts[i]);
    json_decoder_free(decoder);
    vec_conn_free(conn);
    vec_db_free(db);
    vec_columns_free(&columns);
    return 0;
}
