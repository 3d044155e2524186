/* parquet_bench.c - our Parquet writer beside DuckDB's COPY: rows per CPU second of one thread, and
 * bytes, of the same rows with the same codec and level.
 *
 *   parquet_bench [FOLDER [ROWS]]     the files are left in FOLDER: ours-NAME, copy-NAME
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lake/parquet.h"

static const struct {
    const char *name, *fields, *sql;
} sets[] = {
    {"payments",
     "charge_id string,customer_id string,merchant_id string,merchant_name string,"
     "amount decimal(18,2),currency string,status string,provider string,payment_method string,"
     "card_brand string,card_last4 string,country string,risk_score int,failure_code string,"
     "created_at timestamp",
     "SELECT 'ch_' || to_hex((hash(i) % 4294967296)::BIGINT) charge_id, 'cus_' || hash(i, 1) % 9000"
     " customer_id, 'mer_' || hash(i, 2) % 500 merchant_id, 'Merchant Number ' || hash(i, 2) % 500"
     " merchant_name, (hash(i, 3) % 90000 / 100)::DECIMAL(18,2) amount, 'usd' currency,"
     " ['succeeded', 'failed', 'pending'][1 + (hash(i, 4) % 3)::INT] status, 'stripe' provider,"
     " 'card' payment_method, ['visa', 'amex', 'mastercard'][1 + (hash(i, 5) % 3)::INT] card_brand,"
     " lpad((hash(i, 6) % 10000)::VARCHAR, 4, '0') card_last4, ['US', 'DE', 'FR', 'JP']"
     "[1 + (hash(i, 7) % 4)::INT] country, (hash(i, 8) % 100)::INT risk_score, NULL::VARCHAR"
     " failure_code, TIMESTAMP '2025-01-01' + INTERVAL (i * 37) MILLISECOND created_at"},
    {"bids",
     "auction long,bidder long,price long,channel string,url string,date_time timestamp,"
     "extra string",
     "SELECT (1000 + i // 50 + hash(i) % 100)::BIGINT auction, (1000 + hash(i, 1) % 20000)::BIGINT"
     " bidder, (hash(i, 2) % 10000000)::BIGINT price, ['Google', 'Facebook', 'Baidu', 'Apple']"
     "[1 + (hash(i, 3) % 4)::INT] channel, 'https://www.nexmark.com/' || to_hex((hash(i, 4) % "
     "1000)::BIGINT) || '/item.htm?query=1' url, TIMESTAMP '2025-01-01' + INTERVAL (i) MILLISECOND"
     " date_time, md5((i // 3)::VARCHAR)[:20] extra"},
    {"lineitem",
     "l_orderkey long,l_partkey long,l_suppkey long,l_linenumber int,l_quantity decimal(15,2),"
     "l_extendedprice decimal(15,2),l_discount decimal(15,2),l_tax decimal(15,2),"
     "l_returnflag string,l_linestatus string,l_shipdate date,l_commitdate date,"
     "l_receiptdate date,l_shipinstruct string,l_shipmode string,l_comment string",
     "SELECT (i // 4)::BIGINT l_orderkey, (hash(i) % 200000)::BIGINT l_partkey, (hash(i, 1) % "
     "10000)"
     "::BIGINT l_suppkey, (i % 4 + 1)::INT l_linenumber, (1 + hash(i, 2) % 50)::DECIMAL(15,2)"
     " l_quantity, (hash(i, 3) % 10000000 / 100)::DECIMAL(15,2) l_extendedprice, (hash(i, 4) % 11 /"
     " 100)::DECIMAL(15,2) l_discount, (hash(i, 5) % 9 / 100)::DECIMAL(15,2) l_tax, ['A', 'N', 'R']"
     "[1 + (hash(i, 6) % 3)::INT] l_returnflag, ['O', 'F'][1 + (hash(i, 7) % 2)::INT] l_linestatus,"
     " DATE '1992-01-01' + (hash(i, 8) % 2500)::INT l_shipdate, DATE '1992-01-01' + (hash(i, 9) % "
     "2500)::INT l_commitdate, DATE '1992-01-01' + (hash(i, 10) % 2500)::INT l_receiptdate,"
     " ['DELIVER IN PERSON', 'COLLECT COD', 'NONE'][1 + (hash(i, 11) % 3)::INT] l_shipinstruct,"
     " ['AIR', 'MAIL', 'SHIP', 'TRUCK', 'RAIL'][1 + (hash(i, 12) % 5)::INT] l_shipmode,"
     " ['carefully ', 'quickly ', 'furiously ', 'slyly '][1 + (hash(i, 13) % 4)::INT] ||"
     " ['final ', 'pending ', 'bold ', 'even '][1 + (hash(i, 14) % 4)::INT] || ['deposits ',"
     " 'requests ', 'accounts ', 'ideas '][1 + (hash(i, 15) % 4)::INT] || hash(i, 16) % 1000"
     " l_comment"},
};

static struct vec_db *db;
static struct vec_conn *conn;
static struct err err;

static void check(int rc, const char *what)
{
    if (!rc)
        return;
    fprintf(stderr, "%s: %s\n", what, err.text);
    exit(1);
}

static double cpu_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* "a long,b string" as a schema; all optional. */
static void schema_of(const char *fields, struct arena *arena, struct lake_schema *out)
{
    struct buf json = {0};
    int id = 0;

    buf_append_str(&json, "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[");
    for (const char *at = fields; *at; id++) {
        int name = (int)strcspn(at, " "), type;

        for (type = name + 1; at[type] && (at[type] != ',' || at[type + 1] < 'a'); type++)
            ;
        buf_printf(&json, "%s{\"id\":%d,\"name\":\"%.*s\",\"required\":false,\"type\":\"%.*s\"}",
                   id ? "," : "", id + 1, name, at, type - name - 1, at + name + 1);
        at += type + (at[type] == ',');
    }
    buf_append_str(&json, "]}");
    check(lake_schema_parse_text(buf_slice(&json), arena, out, &err), "schema");
    buf_deinit(&json);
}

struct rows {
    struct vec_batch batch;
    struct vec_columns columns;
    size_t at;
};

static void rows_make(struct rows *rows, const char *select, int64_t count)
{
    struct vec_result *result;
    duckdb_data_chunk chunk;
    char sql[6000];

    memset(rows, 0, sizeof(*rows));
    snprintf(sql, sizeof(sql), "%s FROM range(%lld) t(i)", select, (long long)count);
    check(vec_query(conn, sql, &result, &err), "rows");
    check(vec_columns_copy(&rows->columns, vec_result_columns(result)), "columns");
    while (vec_result_next(result, &chunk, &err) == 0 && chunk) {
        duckdb_data_chunk copy = vec_chunk_new(&rows->columns);
        duckdb_selection_vector sel = duckdb_create_selection_vector(vec_chunk_rows());
        idx_t n = duckdb_data_chunk_get_size(chunk);

        for (idx_t i = 0; i < n; i++)
            duckdb_selection_vector_get_data_ptr(sel)[i] = (sel_t)i;
        for (idx_t c = 0; c < rows->columns.count; c++)
            duckdb_vector_copy_sel(duckdb_data_chunk_get_vector(chunk, c),
                                   duckdb_data_chunk_get_vector(copy, c), sel, n, 0, 0);
        duckdb_data_chunk_set_size(copy, n);
        duckdb_destroy_selection_vector(sel);
        check(vec_batch_add(&rows->batch, copy), "rows");
    }
    vec_result_free(result);
}

static int give(void *arg, duckdb_data_chunk out, struct err *e)
{
    struct rows *rows = arg;

    (void)e;
    if (rows->at < rows->batch.count)
        vec_chunk_refer(out, rows->batch.chunks[rows->at++]);
    else
        duckdb_data_chunk_set_size(out, 0);
    return 0;
}

static int put(void *arg, struct slice bytes, struct err *e)
{
    (void)e;
    return fwrite(bytes.ptr, 1, bytes.len, arg) == bytes.len ? 0 : ERR_IO;
}

static double by_ours(struct rows *rows, const struct lake_schema *schema, bool fresh,
                      const char *path)
{
    struct parquet_options options;
    struct parquet_writer *w;
    struct parquet_result result;
    struct arena arena = {0};
    FILE *file = fopen(path, "w");
    double start = cpu_now();

    parquet_options_init(&options);
    options.level = fresh ? 1 : 3;
    if (fresh)
        options.dictionary_values = 4096;
    check(parquet_new(&w, schema, &options, put, file, &err), "ours");
    for (size_t i = 0; i < rows->batch.count; i++)
        check(parquet_push(w, rows->batch.chunks[i], &err), "ours");
    check(parquet_finish(w, &arena, &result, &err), "ours");
    parquet_free(w);
    fclose(file);
    arena_deinit(&arena);
    return cpu_now() - start;
}

static double by_copy(struct rows *rows, const struct lake_schema *schema, bool fresh,
                      const char *path)
{
    struct vec_feed feed = {&rows->columns, give, rows};
    struct buf ids = {0};
    struct vec_copy_options options = {.path = path,
                                       .select = "*",
                                       .codec = "zstd",
                                       .level = fresh ? 1 : 3,
                                       .dictionary_values = fresh ? 4096 : 0};
    struct vec_copy_result result;
    struct arena arena = {0};
    double start = cpu_now();

    check(lake_duckdb_field_ids(schema, &ids, &err), "ids");
    options.field_ids = buf_cstr(&ids);
    rows->at = 0;
    check(vec_copy_run(conn, &feed, &options, &arena, &result, &err), "copy");
    buf_deinit(&ids);
    arena_deinit(&arena);
    return cpu_now() - start;
}

static double scan(const char *path)
{
    char sql[400];
    double start = cpu_now();

    snprintf(sql, sizeof(sql),
             "CREATE OR REPLACE TEMP TABLE sink AS SELECT count(COLUMNS(*)), "
             "max(COLUMNS(*)) FROM '%s'",
             path);
    check(vec_exec(conn, sql, &err), "scan");
    return cpu_now() - start;
}

static int64_t size_of(const char *path)
{
    struct disk_stat stat = {0};

    disk_stat(disk_system(), path, &stat, NULL);
    return stat.size;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* Both ways in turns, the least of three each. */
static void compare(const char *dir, size_t set, bool fresh, int64_t count)
{
    struct arena arena = {0};
    struct lake_schema schema;
    struct rows rows;
    char ours[300], copy[300];
    double a = 1e9, b = 1e9, scan_a = 1e9, scan_b = 1e9;

    schema_of(sets[set].fields, &arena, &schema);
    rows_make(&rows, sets[set].sql, count);
    snprintf(ours, sizeof(ours), "%s/ours-%s.parquet", dir, sets[set].name);
    snprintf(copy, sizeof(copy), "%s/copy-%s.parquet", dir, sets[set].name);
    for (int i = 0; i < 3; i++) {
        a = least(a, by_ours(&rows, &schema, fresh, ours));
        b = least(b, by_copy(&rows, &schema, fresh, copy));
        scan_a = least(scan_a, scan(ours));
        scan_b = least(scan_b, scan(copy));
    }
    printf("%-9s %-5s %9.0f %9.0f %5.2f  %10lld %10lld %5.2f  %6.3f %6.3f %5.2f\n", sets[set].name,
           fresh ? "fresh" : "merge", (double)count / a, (double)count / b, b / a,
           (long long)size_of(ours), (long long)size_of(copy),
           (double)size_of(ours) / (double)size_of(copy), scan_a, scan_b, scan_a / scan_b);
    fflush(stdout);
    vec_batch_deinit(&rows.batch);
    vec_columns_free(&rows.columns);
    arena_deinit(&arena);
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "/tmp";
    int64_t count = argc > 2 ? atoll(argv[2]) : 1000000;
    struct vec_options options = {.threads = 1, .memory_bytes = (int64_t)1 << 30};

    check(vec_db_new(&db, &options, &err), "duckdb");
    check(vec_conn_new(&conn, db, &err), "duckdb");
    printf("%-15s %19s %5s  %21s %5s  %13s %5s\n", "", "rows per CPU second", "ratio", "bytes",
           "ratio", "CPU s to scan", "ratio");
    printf("%-15s %9s %9s %5s  %10s %10s %5s  %6s %6s\n", "", "ours", "COPY", "", "ours", "COPY",
           "", "ours", "COPY");
    for (size_t i = 0; i < COUNT_OF(sets); i++)
        for (int fresh = 1; fresh >= 0; fresh--)
            compare(dir, i, fresh, count);
    vec_conn_free(conn);
    vec_db_free(db);
    return 0;
}
