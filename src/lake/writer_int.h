/* writer_int.h - what the files of the writer share: rows are routed to partitions
 * (writer_partition.c tells which, writer_route.c gathers them), gathered rows become files
 * (writer_file.c). */
#ifndef LAKE_WRITER_INT_H
#define LAKE_WRITER_INT_H

#include "lake/parquet.h"
#include "lake/writer_out.h"

struct open_file {
    struct parquet_writer *parquet; /* NULL: none is open */
    struct writer_out *out;
    char *location;
};

#define WRITER_PARTS_MAX 4096 /* partitions remembered beyond a cut */

struct part {
    struct lake_value *values; /* one per spec field, bytes owned by the writer's arena */
    char *key;                 /* the partition's part of the path, "" when there is none */
    uint64_t hash;
    struct part *next;
    bool admitted;             /* one of those with a chunk and a file of their own */
    uint32_t index;            /* while the overflow is sorted: place from 1 */
    uint32_t mover;            /* its number from 1 for rewriter_move.c, 0: none yet */
    duckdb_data_chunk filling; /* or NULL */
    idx_t filled;
    struct open_file file;
};

/* Rows of many partitions, with the owner of each. */
struct overflow {
    struct vec_batch chunks;
    struct part **owners; /* vec_chunk_rows() per chunk */
    size_t cap;           /* of owners */
    idx_t filled;         /* of the last chunk */
};

/* Where a partition field's source lies: column, then struct children. */
struct source_path {
    idx_t steps[LAKE_SCHEMA_DEPTH_MAX];
    size_t count;
    const struct lake_type *type;
    duckdb_vector vector; /* of the chunk at hand */
};

struct lake_writer {
    struct lake *lake;
    struct vec_db *db;
    struct vec_conn *conn;         /* for the cast; NULL when none is needed */
    struct vec_fragment *fragment; /* input columns to the schema's; NULL: not needed */
    struct lake_metadata *metadata;
    const struct lake_schema *schema;
    const struct lake_partition_spec *spec;
    struct lake_type *part_types;
    struct source_path *sources;
    struct vec_columns input, columns; /* of batches; of files */
    struct arena arena;                /* for the writer's life */
    struct arena part_arena;           /* partitions, until they are forgotten */
    struct arena done_arena;           /* files since the last cut */
    struct lake_data_file *done;
    size_t done_count, done_cap;
    bool sorted;   /* rows come in the table's order */
    bool rewrites; /* its files take the place of others, and are to last */
    int open_max, admitted, serial;
    int64_t target_bytes, rows, done_bytes;
    struct part *parts[256];
    size_t part_count;
    struct overflow overflow;
    duckdb_selection_vector sel;
};

int writer_nomem(struct err *err);
/* Input columns to the schema's of the same names; *out NULL when they are the same. */
int writer_cast_new(const struct lake_writer *w, struct vec_conn *conn,
                    const struct vec_columns *input, struct vec_fragment **out, struct err *err);

/* writer_file.c */
void writer_part_close(struct part *part);
/* Takes the chunk. */
int writer_part_push_chunk(struct lake_writer *w, struct part *part, duckdb_data_chunk chunk,
                           struct err *err);
/* Takes the batch's chunks into the open file; one that is large enough ends. */
int writer_part_push(struct lake_writer *w, struct part *part, struct vec_batch *batch,
                     struct err *err);
int writer_part_flush(struct lake_writer *w, struct part *part, struct err *err);
/* All that the partition gathered becomes a file. */
int writer_part_end(struct lake_writer *w, struct part *part, struct err *err);

/* writer_partition.c */
int writer_find_part(struct lake_writer *w, const struct lake_value *values, struct part **out,
                     struct err *err);
/* The partition of a row; *out: that of the row before, or NULL. `values`: room for one row's. */
int writer_row_part(struct lake_writer *w, duckdb_data_chunk chunk, idx_t row,
                    struct lake_value *values, struct part **out, struct err *err);
/* day=2024-01-01/name=a%20b, in the writer's arena. */
int writer_partition_path(struct lake_writer *w, const struct lake_value *values, char **out,
                          struct err *err);
bool writer_row_valid(duckdb_vector vector, idx_t row);
/* Bytes are borrowed from the vector; a uuid lands in `space`. */
void writer_value_at(const struct lake_type *type, duckdb_vector vector, idx_t row,
                     uint8_t space[16], struct lake_value *out);

/* writer_route.c */
int writer_route(struct lake_writer *w, duckdb_data_chunk chunk /* take */, struct err *err);
size_t writer_overflow_rows(const struct lake_writer *w);
int writer_overflow_write(struct lake_writer *w, struct err *err);

/* writer_place.c: the location of a data file called `name` of the partition `key`. */
int writer_place(const struct lake_metadata *metadata, const char *key, const char *name,
                 struct arena *arena, const char **out, struct err *err);

/* writer_parquet.c: what the table's properties ask of a file. Fresh files are to be written
 * quickly, since merging will write their rows again. */
int writer_parquet(const struct lake_metadata *metadata, bool fresh,
                   struct parquet_options *options, struct err *err);
int writer_format_check(const struct lake_metadata *metadata, struct err *err);

#endif
