/* parquet_int.h - what the files of the Parquet writer share.
 *
 * parquet_tree.c makes nodes and leaves of a schema, parquet_shred.c takes chunks apart along them,
 * parquet_leaf.c turns a leaf's values into pages with the help of parquet_dictionary.c,
 * parquet_values.c, parquet_extent.c and parquet_rle.c, parquet_bloom.c makes filters,
 * parquet_footer.c says where all lies, parquet.c puts it together.
 */
#ifndef LAKE_PARQUET_INT_H
#define LAKE_PARQUET_INT_H

#include "lake/parquet.h"
#include "lake/parquet_thrift.h"

/* parquet.thrift: Type, Encoding, PageType, CompressionCodec. */
enum parquet_type { P_BOOLEAN = 0, P_INT32 = 1, P_INT64 = 2, P_FLOAT = 4, P_DOUBLE = 5,
                    P_BYTE_ARRAY = 6, P_FIXED = 7 };
enum { ENCODING_PLAIN = 0, ENCODING_RLE = 3, ENCODING_RLE_DICTIONARY = 8 };
enum { PAGE_DATA = 0, PAGE_DICTIONARY = 2 };

/* How a value lies in a vector once NULLs are left out. */
enum parquet_class {
    CLASS_BOOL,  /* uint8_t, 0 or 1 */
    CLASS_INT,   /* int32_t */
    CLASS_LONG,  /* int64_t */
    CLASS_FLOAT, CLASS_DOUBLE,
    CLASS_HUGE,  /* __int128: decimals, and uuids with their first bit turned */
    CLASS_BYTES  /* duckdb_string_t */
};

/* Values in the order they came, without NULLs. */
struct parquet_values {
    const void *data;
    size_t count;
};

/* The least and the greatest of values, NaN left out. By class one pair of fields counts. */
struct parquet_extent {
    bool any;
    __int128 low_i, high_i;
    double low_d, high_d;
    struct buf low, high; /* BYTES */
    int64_t nans;
};

struct parquet_key { uint64_t a, b; };
struct parquet_dictionary {
    struct parquet_key *keys; /* per id: tells values apart, see parquet_dictionary.c */
    uint32_t *at;             /* per id: where it lies in `plain`; one more for the end */
    uint32_t *seen;           /* per id: number of the last page that has it; BYTES only */
    uint32_t count, cap;
    uint32_t *slots, mask; /* id + 1 by hash; 0: free */
    struct buf plain;      /* the dictionary page's values */
};

/* A page that was closed, for the indexes. */
struct parquet_page {
    int64_t pos;  /* in the chunk's pages, then in the file */
    int64_t size; /* with its header */
    int64_t first_row, nulls;
    struct slice min, max; /* cut short; in the chunk's arena. ptr NULL: only NULLs */
    bool only_nulls;
    int64_t text_bytes; /* of BYTE_ARRAY values as they are */
};

/* Column chunks that were written, one per leaf and row group; in the file's arena. */
struct parquet_chunk {
    int64_t dictionary_pos, data_pos; /* dictionary -1: none */
    int64_t size, plain_size;         /* with headers */
    int64_t values, nulls, text_bytes;
    int32_t dictionary_pages, plain_pages; /* data pages by encoding */
    struct slice min, max;                 /* ptr NULL: not known */
    bool min_exact, max_exact;
    int64_t bloom_pos, bloom_size; /* size 0: none */
    struct parquet_page *pages;    /* NULL: no index */
    size_t page_count;
    bool ordered; /* pages have bounds, or only NULLs: a ColumnIndex can be written */
    int64_t offset_index_pos, offset_index_size, column_index_pos, column_index_size;
};

struct parquet_group {
    int64_t rows, pos, size, plain_size;
    struct parquet_chunk *chunks;
    struct parquet_group *next;
};

struct parquet_leaf {
    const struct lake_field *field;
    const char *path;   /* dotted, without the levels between */
    const char **parts; /* as in the file's schema */
    size_t part_count;
    uint8_t def_max, rep_max;
    enum parquet_type physical;
    enum parquet_class kind;
    int32_t width; /* of a FIXED value in bytes */
    size_t size;   /* of a value in memory */
    struct parquet_leaf_options options;

    /* The page at hand. */
    struct buf defs, reps; /* a byte per slot; defs empty while all are def_max */
    size_t slots, rows, values, nulls;
    struct buf plain;      /* PLAIN values, or ids of 4 bytes while there is a dictionary */
    size_t bits;           /* BOOL: values in `plain` */
    int64_t text_bytes, plain_bytes; /* plain_bytes: what its values take up in PLAIN */
    struct parquet_extent page_extent;

    /* The chunk at hand. */
    bool dictionary_on;
    struct parquet_dictionary dictionary;
    struct buf pages; /* headers and bodies */
    struct parquet_page *list;
    size_t page_count, page_cap;
    struct parquet_chunk chunk;
    struct parquet_extent chunk_extent;
    int64_t chunk_rows; /* in closed pages */
    bool unordered;     /* a page has values but no bounds */
    struct buf hashes;  /* for the filter: 8 bytes each */
    struct buf filter;  /* once there are too many hashes to keep */

    /* The file. */
    int hopeless; /* row groups for which no dictionary is tried */
    bool trusted; /* its dictionary was looked at closely, and pays */
    struct parquet_extent extent;
    int64_t all_values, all_nulls, all_bytes;
};

/* What of the rows at hand reaches a node: a slot per value, and per list that has none. */
struct parquet_slots {
    size_t count;
    const uint32_t *at;        /* rows of the vector, SLOT_NONE; NULL: 0, 1, 2 ... */
    const uint8_t *def, *rep;  /* def NULL: all are `level`; rep NULL: all are 0 */
    uint8_t level;
};
#define SLOT_NONE UINT32_MAX

struct parquet_node {
    const struct lake_field *field;
    bool optional;
    uint8_t rep; /* LIST, MAP: level of its elements but the first */
    struct parquet_node *kids;
    size_t kid_count;
    struct parquet_leaf *leaf; /* or NULL */
    struct buf at, def, rep_levels;              /* behind the field's own NULLs */
    struct buf kid_at, kid_def, kid_rep_levels;  /* LIST, MAP: behind its elements */
};

struct parquet_writer {
    const struct lake_schema *schema;
    struct parquet_options options;
    parquet_put_fn *put;
    void *put_arg;
    struct arena arena; /* the file's */
    struct parquet_node *nodes; /* of the schema's columns */
    struct parquet_leaf *leaves;
    size_t leaf_count;
    struct parquet_group *groups, **groups_end;
    size_t group_count;
    int64_t rows, group_rows, pos;
    struct buf values, body, packed, header; /* for a while */
    int rc; /* of the call that failed: nothing more can be written */
};

int parquet_nomem(struct err *err);
/* The file's next bytes. */
int parquet_put(struct parquet_writer *w, struct slice bytes, struct err *err);

/* parquet_tree.c */
int parquet_tree_new(struct parquet_writer *w, struct err *err);
void parquet_tree_free(struct parquet_writer *w);
void parquet_tree_schema(const struct parquet_writer *w, struct thrift_out *t);

/* parquet_shred.c */
int parquet_shred(struct parquet_writer *w, struct parquet_node *node, duckdb_vector vector,
                  const struct parquet_slots *slots, struct err *err);

/* parquet_leaf.c */
void parquet_leaf_begin(struct parquet_leaf *leaf); /* a chunk */
int parquet_leaf_add(struct parquet_writer *w, struct parquet_leaf *leaf, const void *data,
                     const struct parquet_slots *slots, struct err *err);
int64_t parquet_leaf_bytes(const struct parquet_leaf *leaf);
/* Ends the chunk and gives its bytes away. */
int parquet_leaf_end(struct parquet_writer *w, struct parquet_leaf *leaf,
                     struct parquet_chunk *out, struct err *err);
void parquet_leaf_deinit(struct parquet_leaf *leaf);

/* parquet_dictionary.c: appends ids of 4 bytes to the leaf's page for as many values as the
 * dictionary has room for; *taken says how many those are. */
int parquet_dictionary_add(const struct parquet_writer *w, struct parquet_leaf *leaf,
                           struct parquet_values values, size_t *taken);
void parquet_dictionary_clear(struct parquet_dictionary *d);
void parquet_dictionary_deinit(struct parquet_dictionary *d);
/* The ids at hand as PLAIN values. */
int parquet_dictionary_undo(struct parquet_leaf *leaf);

/* parquet_values.c: values of a fixed column are as long as it says. ERR_INVALID. */
int parquet_check_widths(const struct parquet_leaf *leaf, struct parquet_values values,
                         struct err *err);
/* PLAIN values behind the leaf's page, up to `max` bytes of them and one more; *taken says how
 * many. Only memory fails. */
int parquet_plain_add(struct parquet_leaf *leaf, struct parquet_values values, size_t max,
                      size_t *taken);
/* Behind `out`, BYTES without a length. */
int parquet_plain_value(const struct parquet_leaf *leaf, const void *value, struct buf *out);
static inline struct slice parquet_text(const duckdb_string_t *s)
{
    bool inlined = s->value.inlined.length <= 12;

    return slice_of(inlined ? s->value.inlined.inlined : s->value.pointer.ptr,
                    s->value.inlined.length);
}

/* parquet_extent.c */
int parquet_extent_add(struct parquet_extent *e, enum parquet_class kind,
                       struct parquet_values values);
int parquet_extent_text(struct parquet_extent *e, struct slice value);
int parquet_extent_merge(struct parquet_extent *e, enum parquet_class kind,
                         const struct parquet_extent *other);
void parquet_extent_clear(struct parquet_extent *e);
void parquet_extent_deinit(struct parquet_extent *e);
/* One end as statistics have it, of at most `max` bytes where texts may be cut. ptr NULL: none of
 * that length encloses the values. */
int parquet_extent_bound(const struct parquet_extent *e, const struct parquet_leaf *leaf,
                         bool upper, size_t max, struct arena *arena, struct slice *out,
                         bool *exact);
int parquet_extent_value(const struct parquet_extent *e, const struct parquet_leaf *leaf,
                         bool upper, struct arena *arena, struct lake_value *out);

/* parquet_rle.c: Encodings.md, "Run Length Encoding / Bit-Packing Hybrid". */
int parquet_rle_levels(const uint8_t *levels, size_t count, int width, struct buf *out);
int parquet_rle_run(uint32_t value, size_t count, int width, struct buf *out);
int parquet_rle_ids(const uint32_t *ids, size_t count, int width, struct buf *out);
int parquet_bit_width(uint32_t max);

/* parquet_bloom.c */
int parquet_bloom_add(const struct parquet_writer *w, struct parquet_leaf *leaf,
                      struct slice plain);
/* Behind `out`, header and bits; nothing when the leaf has no filter. */
int parquet_bloom_end(const struct parquet_writer *w, struct parquet_leaf *leaf, struct buf *out);

/* parquet_footer.c */
int parquet_indexes_put(struct parquet_writer *w, struct err *err);
int parquet_footer_put(struct parquet_writer *w, struct err *err);

#endif
