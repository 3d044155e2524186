/* parquet_shred.c - nested vectors taken apart into what each leaf holds, with levels.
 *
 * A node gets slots from the one above: which row of its vector each is about, if any, and the
 * levels so far. It adds its own NULLs, a list or map also its elements, and hands on; what two
 * leaves share above them is worked out once. The levels are those of the Dremel paper: definition
 * counts the optional and repeated fields on the way that are there, repetition says which list
 * goes on. Flat columns without NULLs pass through untouched.
 */
#include "lake/parquet_int.h"

static int nomem_or(int rc, struct err *err)
{
    return rc ? parquet_nomem(err) : 0;
}

/* All rows of the vector are there. */
static bool all_valid(const uint64_t *validity, size_t count)
{
    size_t i;

    if (!validity)
        return true;
    for (i = 0; i + 64 <= count; i += 64)
        if (validity[i / 64] != UINT64_MAX)
            return false;
    for (; i < count; i++)
        if (!vec_is_valid(validity, i))
            return false;
    return true;
}

static int null_in_required(const struct parquet_node *node, struct err *err)
{
    return err_set(err, ERR_INVALID, "column %.100s is required and a value is NULL",
                   node->field->name);
}

static int check_required(const struct parquet_node *node, const uint64_t *validity,
                          const struct parquet_slots *slots, struct err *err)
{
    if (!slots->at)
        return all_valid(validity, slots->count) ? 0 : null_in_required(node, err);
    for (size_t i = 0; i < slots->count && validity; i++)
        if (slots->at[i] != SLOT_NONE && !vec_is_valid(validity, slots->at[i]))
            return null_in_required(node, err);
    return 0;
}

/* Slots whose value is NULL end here; the others rise by one definition level. */
static int add_nulls(struct parquet_node *node, const uint64_t *validity,
                     const struct parquet_slots *in, struct parquet_slots *out)
{
    size_t count = in->count;
    uint32_t *at;
    uint8_t *def;

    *out = *in;
    if (!in->at && all_valid(validity, count)) {
        out->level++;
        return 0;
    }
    buf_clear(&node->at);
    buf_clear(&node->def);
    if (buf_reserve(&node->at, count * sizeof(*at) + 1) || buf_reserve(&node->def, count + 1))
        return ERR_NOMEM;
    at = (uint32_t *)(void *)node->at.ptr;
    def = node->def.ptr;
    for (size_t i = 0; i < count; i++) {
        uint32_t row = in->at ? in->at[i] : (uint32_t)i;
        bool there = row != SLOT_NONE && vec_is_valid(validity, row);

        at[i] = there ? row : SLOT_NONE;
        def[i] = (uint8_t)((in->def ? in->def[i] : in->level) + there);
    }
    out->at = at;
    out->def = def;
    return 0;
}

static size_t count_elements(const struct parquet_slots *in, const duckdb_list_entry *lists)
{
    size_t count = 0;

    for (size_t i = 0; i < in->count; i++) {
        uint32_t row = in->at ? in->at[i] : (uint32_t)i;
        size_t len = row == SLOT_NONE ? 0 : lists[row].length;

        count += len ? len : 1;
    }
    return count;
}

/* A slot per element; one that ends here for each list that has none or is not there. */
static int add_elements(struct parquet_node *node, const duckdb_list_entry *lists,
                        const struct parquet_slots *in, struct parquet_slots *out)
{
    size_t count = count_elements(in, lists), to = 0;
    uint32_t *at;
    uint8_t *def, *rep;

    buf_clear(&node->kid_at);
    buf_clear(&node->kid_def);
    buf_clear(&node->kid_rep_levels);
    if (count >= SLOT_NONE || buf_reserve(&node->kid_at, count * sizeof(*at) + 1) ||
        buf_reserve(&node->kid_def, count + 1) || buf_reserve(&node->kid_rep_levels, count + 1))
        return ERR_NOMEM;
    at = (uint32_t *)(void *)node->kid_at.ptr;
    def = node->kid_def.ptr;
    rep = node->kid_rep_levels.ptr;
    for (size_t i = 0; i < in->count; i++) {
        uint32_t row = in->at ? in->at[i] : (uint32_t)i;
        uint8_t level = in->def ? in->def[i] : in->level;
        uint64_t len = row == SLOT_NONE ? 0 : lists[row].length;

        at[to] = len ? (uint32_t)lists[row].offset : SLOT_NONE;
        def[to] = (uint8_t)(level + (len > 0));
        rep[to++] = in->rep ? in->rep[i] : 0;
        for (uint64_t k = 1; k < len; k++) {
            at[to] = (uint32_t)(lists[row].offset + k);
            def[to] = (uint8_t)(level + 1);
            rep[to++] = node->rep;
        }
    }
    *out = (struct parquet_slots){.count = count, .at = at, .def = def, .rep = rep};
    return 0;
}

static int shred_kids(struct parquet_writer *w, struct parquet_node *node, duckdb_vector vector,
                      const struct parquet_slots *slots, struct err *err)
{
    struct parquet_slots elements;
    duckdb_vector inner = vector;
    int rc = 0;

    if (node->field->type.kind != LAKE_STRUCT) {
        inner = duckdb_list_vector_get_child(vector);
        rc = add_elements(node, duckdb_vector_get_data(vector), slots, &elements);
        slots = &elements;
    }
    if (rc)
        return parquet_nomem(err);
    if (node->field->type.kind == LAKE_LIST)
        return parquet_shred(w, &node->kids[0], inner, slots, err);
    for (size_t i = 0; i < node->kid_count && !rc; i++)
        rc = parquet_shred(w, &node->kids[i], duckdb_struct_vector_get_child(inner, i), slots, err);
    return rc;
}

int parquet_shred(struct parquet_writer *w, struct parquet_node *node, duckdb_vector vector,
                  const struct parquet_slots *slots, struct err *err)
{
    const uint64_t *validity = duckdb_vector_get_validity(vector);
    struct parquet_slots own = *slots;
    int rc;

    rc = node->optional ? nomem_or(add_nulls(node, validity, slots, &own), err)
                        : check_required(node, validity, slots, err);
    if (rc)
        return rc;
    return node->leaf ? parquet_leaf_add(w, node->leaf, duckdb_vector_get_data(vector), &own, err)
                      : shred_kids(w, node, vector, &own, err);
}
