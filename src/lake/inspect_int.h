/* inspect_int.h - what the files of the metadata tables share: rows as JSON lines, column kinds. */
#ifndef LAKE_INSPECT_INT_H
#define LAKE_INSPECT_INT_H

#include "lake/inspect.h"
#include "lake/lake_int.h"

/* JSON lines on their way into a file. Errors stick: checked once at the end. */
struct rows {
    struct file *file;
    int64_t at;
    struct buf buf;
    int64_t count;
    struct err *err;
    int rc;
};
void row_begin(struct rows *rows);
void row_end(struct rows *rows);
void row_open(struct rows *rows, char bracket);  /* { or [ */
void row_close(struct rows *rows, char bracket); /* } or ] */
void row_key(struct rows *rows, const char *name);
void row_null(struct rows *rows);
void row_i64(struct rows *rows, int64_t value);
void row_bool(struct rows *rows, bool value);
void row_text(struct rows *rows, const char *text);  /* NULL: null */
void row_hex(struct rows *rows, struct slice bytes); /* ptr NULL: null */
void row_value(struct rows *rows, const struct lake_type *type, const struct lake_value *value);
void row_time(struct rows *rows, int64_t ms);

struct inspect {
    struct lake *lake;
    const struct lake_inspect *of;
    const struct lake_metadata *m;
    struct arena *arena;
    struct rows rows;
    struct lake_type partition; /* of all specs together; no fields: unpartitioned */
    struct lake_field **leaves; /* primitive columns at every depth, by dotted name */
    const char **leaf_names;
    size_t leaf_count;
    struct lake_plan *plan;
    struct err *err;
};

/* inspect_schema.c: the fields of all partition specs in the order of their ids. */
int inspect_partition_type(const struct lake_metadata *m, struct arena *arena,
                           struct lake_type *out, struct err *err);
/* Primitive columns with their dotted names, sorted by name. */
int inspect_leaves(const struct lake_metadata *m, struct arena *arena, struct lake_field ***out,
                   const char ***names, size_t *count, struct err *err);

/* inspect_files.c: rows of entries, files and partitions. */
int inspect_files(struct inspect *in);
int inspect_partitions(struct inspect *in);
/* Every manifest of the wanted content in the snapshot, or in all of them each once. `each` may
 * keep nothing of what it is given. */
int inspect_manifests(struct inspect *in, bool all,
                      int (*each)(struct inspect *in, const struct lake_snapshot *snapshot,
                                  const struct lake_manifest_file *line));
/* inspect_deletes.c: positions, from the delete files themselves; SQL, not rows. */
int inspect_deletes(struct inspect *in, struct buf *sql);
/* The value of a field of in->partition in a file of some spec; NULL: the spec lacks it. */
const struct lake_value *inspect_partition_value(const struct inspect *in,
                                                 const struct lake_data_file *file, size_t field);

/* inspect_rows.c
 * DuckDB's type for what JSON lines hold: binary as hexadecimal text. */
void inspect_json_type(struct out *out, const struct lake_type *type);
/* The column made from its JSON form. */
void inspect_from_json(struct out *out, const struct lake_type *type, const char *value, int depth);

#endif
