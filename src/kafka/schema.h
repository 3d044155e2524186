/* schema.h - messages described as tables of fields; one decoder and one encoder walk them.
 *
 * Kafka's wire format: big-endian numbers, strings and arrays with a length in front. From its
 * flexible version on a message has compact lengths (unsigned varint, plus one; 0 is null) and
 * tagged fields at the end of every struct (KIP-482). Nothing on the wire is trusted: a count is
 * compared with the bytes left before anything is allocated, and the arena carries a limit.
 * Threads: none of their own.
 */
#ifndef KAFKA_SCHEMA_H
#define KAFKA_SCHEMA_H

#include "base/base.h"
#include "log/log.h"

enum kind {
    KIND_BOOL,
    KIND_INT8,
    KIND_INT16,
    KIND_UINT16,
    KIND_INT32,
    KIND_INT64,
    KIND_FLOAT64,
    KIND_UUID,
    KIND_STRING,
    KIND_BYTES,
    KIND_RECORDS,
    KIND_ARRAY,
    KIND_STRUCT
};

struct schema;

struct field {
    const char *name; /* spelled as in the definition, for errors */
    enum kind kind;
    enum kind of;              /* ARRAY without item: the kind of one element */
    int16_t since;             /* API versions that carry it ... */
    int16_t until;             /* ... both included; 0: all later ones */
    int16_t null_from;         /* 1 + first version in which it may be null; 0: never */
    int16_t tag;               /* 1 + number of the tag; 0: not tagged */
    int16_t tag_from;          /* first version that carries it as a tag */
    uint16_t at, size;         /* where the value lives in the C struct */
    int64_t fallback;          /* the value when the wire does not carry it */
    const struct schema *item; /* STRUCT, and ARRAY of structs */
};

struct schema {
    const char *name;
    const struct field *fields;
    uint16_t field_count;
    uint16_t size; /* of the C struct */
};

#define FIELD(type, member, spelled, kind_, since_, ...)                                           \
    {                                                                                              \
        .name = (spelled), .kind = KIND_##kind_, .since = (since_),                                \
        .at = offsetof(struct type, member), .size = sizeof(((struct type *)0)->member),           \
        __VA_ARGS__                                                                                \
    }
#define NULL_FROM(version) .null_from = (version) + 1
#define TAG(number, from)  .tag = (number) + 1, .tag_from = (from)
#define SCHEMA(type)                                                                               \
    const struct schema type##_schema = {#type, type##_fields, COUNT_OF(type##_fields),            \
                                         sizeof(struct type)}
#define EMPTY_SCHEMA(type) const struct schema type##_schema = {#type, NULL, 0, sizeof(struct type)}

/* What fields are made of. A null string or bytes has ptr NULL, a null array count -1. */
struct uuid {
    uint8_t bytes[16];
};
#define KAFKA_ARRAY(type)                                                                          \
    struct {                                                                                       \
        type *items;                                                                               \
        int32_t count;                                                                             \
    }
struct kafka_array { /* what every KAFKA_ARRAY looks like */
    void *items;
    int32_t count;
};
/* Record batches: bytes, or in a response an extent of a log's file, which the reply owns. */
struct kafka_records {
    struct slice bytes;
    struct log_extent extent; /* used when hold is set */
};

static inline bool uuid_is_zero(const struct uuid *id)
{
    static const struct uuid zero;

    return memcmp(id, &zero, sizeof(zero)) == 0;
}

/* Fills a struct with the defaults of its fields. */
void schema_defaults(const struct schema *schema, void *out);
/* An array of `count` structs with their defaults, in the arena. NULL: no memory. */
void *schema_array(const struct schema *schema, struct arena *arena, size_t count);

/* Takes one message off *in. ERR_CORRUPT names the field; ERR_NOMEM, also when the arena's limit is
 * reached. What follows the message is left in *in. */
int schema_decode(const struct schema *schema, int version, bool flexible, struct slice *in,
                  struct arena *arena, void *out, struct err *err);

/* Where the bytes of an extent belong in an encoded message. */
struct schema_cut {
    size_t pos; /* in the encoded bytes */
    struct log_extent *extent;
};
struct schema_cuts {
    struct schema_cut *list; /* in the arena */
    size_t count, cap;
    size_t bytes; /* in all extents */
};
/* Appends one message to `out`. Extents are not copied: `cuts` says where they go. */
int schema_encode(const struct schema *schema, int version, bool flexible, const void *in,
                  struct arena *arena, struct buf *out, struct schema_cuts *cuts, struct err *err);

/* The request header's two varying parts, and what unknown tagged fields need. */
int schema_skip_tags(struct slice *in, struct err *err);
int wire_i16(struct slice *in, int16_t *out);
int wire_i32(struct slice *in, int32_t *out);
int wire_nullable_string(struct slice *in, struct slice *out);

#endif
