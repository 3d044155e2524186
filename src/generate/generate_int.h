/* generate_int.h - a compiled template: a tree of nodes, each of which knows how to write itself.
 *
 * Writing is unchecked pointer work, and safe because every node states the most bytes it can write
 * (node_len_max) and the generator reserves the sum, plus PUT_SLACK, before it starts.
 */
#ifndef GENERATE_GENERATE_INT_H
#define GENERATE_GENERATE_INT_H

#include "generate/generate.h"
#include "generate/nexmark.h"

/* Short texts are copied in whole blocks: sources are padded and targets have room for this. */
#define PUT_SLACK 32

/* Bytes padded by PUT_SLACK readable ones. */
struct literal {
    const uint8_t *ptr;
    uint32_t len;
};

static inline uint8_t *put(uint8_t *at, struct literal text)
{
    memcpy(at, text.ptr, PUT_SLACK);
    if (text.len > PUT_SLACK)
        memcpy(at, text.ptr, text.len);
    return at + text.len;
}

/* Random bits as a function of a stream and a number: splitmix64 at position n of the stream. */
static inline uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t draw(uint64_t stream, uint64_t n)
{
    return mix(stream + n * 0x9e3779b97f4a7c15u);
}

/* 0 <= x < bound from 64 random bits (Lemire, without the rejection step). */
static inline uint64_t scaled(uint64_t bits, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)bits * bound) >> 64);
}

/* A probability as a limit for 32 random bits; 1 is 2^32. */
static inline bool chance(uint64_t stream, uint64_t n, uint64_t below)
{
    return below != 0 && (draw(stream, n) >> 32) < below;
}

struct node;
struct template;

/* Which event is being written. */
struct place {
    uint64_t n;     /* what values are drawn by: the event, or an item of an array in it */
    uint64_t event; /* the event itself */
    int64_t time_us;
};

typedef uint8_t *emit_fn(const struct node *node, const struct place *place, uint8_t *at);

struct choice {
    uint32_t count;
    struct literal *values;
    uint32_t *cut, *alias; /* Vose's alias method: one draw whatever the weights */
};

struct number {
    int64_t base;        /* least value, in units of 10^-scale */
    uint64_t span;       /* uniform: values above base, plus one; 0: by quantiles */
    int64_t *quantiles;  /* QUANTILES + 1 values of the distribution, the same unit */
    int scale;           /* digits after the point */
    bool quoted;
};
#define QUANTILES 1024

struct pattern_set {
    const char *chars;
    uint32_t count;
};

struct member {
    struct literal prefix; /* ,"name": */
    struct node *node;
};

struct condition {
    const struct node *on; /* a choice */
    uint64_t values;       /* bit i: its value i is meant */
    struct literal otherwise;
};

enum fault_effect { FAULT_VALUES, FAULT_CASE, FAULT_REMOVE };

/* A planted fault as it concerns one field. */
struct field_fault {
    enum fault_effect effect;
    uint64_t below, stream;
    struct choice values;
};

struct node {
    emit_fn *emit;
    uint64_t stream;
    bool plain; /* none of the four below */
    uint64_t null_below, absent_below;
    struct condition *when;
    struct field_fault *faults;
    size_t fault_count;
    const char *path; /* "evidence.metadata", for messages and references */
    const struct yaml_node *source;
    union {
        struct literal constant;
        struct {
            struct literal prefix, suffix;
            int digits; /* at least this many */
            uint64_t start, step, modulo; /* modulo 0: none */
            int base;   /* identifiers: 16, 36 or 62 */
        } id;
        struct choice choice;
        struct number number;
        struct {
            int format; /* enum time_format */
            int64_t offset_us;
            uint64_t jitter_us;
        } time;
        struct {
            struct pattern_set *sets;
            uint32_t count;
        } pattern;
        struct {
            const struct template *target;
            const struct node *node;
            const char *generator, *field;
            uint64_t within; /* events back, at most */
            int64_t within_us;
            double ratio;    /* target events per event of ours */
            double fraction_min, fraction_span; /* of a number; span < 0: the value itself */
        } ref;
        struct {
            struct member *members;
            size_t count;
        } object;
        struct {
            struct node *item;
            uint64_t min, max;
        } array;
    };
};

struct template {
    const char *file; /* for complaints, while loading; lives as long as they do */
    const char *name, *topic, *description;
    double interval_us;
    bool interval_set; /* overridden by name */
    bool nexmark; /* its events are Nexmark's: no root, no key */
    struct node *root;
    struct node *key; /* NULL: no key */
    size_t len_max, key_len_max;
    /* Duplicates: event n repeats an earlier one. */
    uint64_t repeat_below, repeat_stream, repeat_within;
    uint64_t seed;
    /* Source kept between the passes of the loader. */
    const struct yaml_node *faults_node;
};
#define REPEAT_WITHIN_MAX 1000

struct generate_set {
    struct arena arena;
    struct template *list;
    size_t count;
};

/* The event that event n shows: itself, or an earlier one when n is a duplicate. */
static inline uint64_t template_source(const struct template *t, uint64_t n)
{
    while (n > 0 && chance(t->repeat_stream, n, t->repeat_below)) {
        uint64_t back = n < t->repeat_within ? n : t->repeat_within;

        n -= 1 + scaled(draw(~t->repeat_stream, n), back);
    }
    return n;
}

static inline uint32_t choice_pick(const struct choice *choice, uint64_t bits)
{
    uint32_t i = (uint32_t)(((bits >> 32) * choice->count) >> 32);

    return (uint32_t)bits < choice->cut[i] ? i : choice->alias[i];
}

/* What compiling one template needs; mistakes go to `problems`. */
struct compiler {
    struct arena *arena;
    struct template *template;
    struct yaml_problems *problems;
    bool nomem;
};

/* kinds.c: one field from its description. NULL after a complaint or without memory. */
struct node *node_compile(struct compiler *c, const struct yaml_node *yaml, const char *path);
bool node_is_choice(const struct node *node);
bool node_is_number(const struct node *node);
bool node_is_ref(const struct node *node);
bool node_is_object(const struct node *node);
bool node_is_time(const struct node *node);
bool node_is_array(const struct node *node);
/* At most LEN_BOUND, whatever the truth; an event may have EVENT_BYTES_MAX. */
size_t node_len_max(const struct node *node);
#define LEN_BOUND       ((size_t)1 << 40)
#define EVENT_BYTES_MAX ((size_t)16 << 20)
#define INTERVAL_US_MIN 1e-3
#define INTERVAL_US_MAX 1e12 /* eleven days: numbers and times stay far from their ends */
int64_t number_value(const struct node *node, uint64_t n);
const struct node *node_find(const struct node *root, const char *path); /* "a.b"; or NULL */
/* Writes a JSON value from its YAML form into a literal. */
int literal_json(struct compiler *c, const struct yaml_node *yaml, struct literal *out);
int literal_text(struct compiler *c, const char *text, struct literal *out);
int choice_compile(struct compiler *c, const struct yaml_node *values,
                   const struct yaml_node *weights, struct choice *out);
uint64_t stream_of(const struct template *t, const char *path, const char *use);
/* What kind number `index` may say; NULL behind the last. For the schema. */
const struct yaml_field *kind_keys(size_t index, const char **name);

/* set.c: what a file and one of its faults may say, for the schema. */
extern const struct yaml_field template_keys[], fault_keys[];

/* text.c: the small languages inside a template. 0 or ERR_INVALID. */
int parse_real(const struct yaml_node *yaml, double *out);
int parse_probability(const struct yaml_node *yaml, uint64_t *below);
int parse_pattern(struct arena *arena, const char *text, struct pattern_set **sets,
                  uint32_t *count, const char **problem);
double normal_quantile(double p);

#endif
