/* testing_upkeep.h - a real table behind a catalog of one, deletes of rows, and upkeep of it. */
#ifndef LAKE_TESTING_UPKEEP_H
#define LAKE_TESTING_UPKEEP_H

#include "lake/maintain_int.h"
#include "lake/testing_table.h"

#define TWO_COLUMNS                                                                                \
    "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["                                            \
    "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"                              \
    "{\"id\":2,\"name\":\"v\",\"required\":false,\"type\":\"string\"}]}"

struct one_table {
    struct lake_catalog catalog; /* first */
    struct real *r;
};

static inline int one_load(struct lake_catalog *catalog, const struct lake_ident *ident,
                           struct arena *arena, const char **location, struct err *err)
{
    (void)ident;
    *location = arena_strdup(arena, ((struct one_table *)catalog)->r->location);
    return *location ? 0 : err_set(err, ERR_NOMEM, "load");
}

static inline int one_swap(struct lake_catalog *catalog, const struct lake_swap *swaps,
                           size_t count, struct err *err)
{
    struct real *r = ((struct one_table *)catalog)->r;
    struct lake_metadata *next;

    assert_int_equal(count, 1);
    if (strcmp(swaps[0].base_location, r->location) != 0)
        return err_set(err, ERR_CONFLICT, "moved on");
    snprintf(r->location, sizeof(r->location), "%s", swaps[0].new_location);
    OK(lake_metadata_load(r->lake, r->location, &next, &r->err));
    lake_metadata_free(r->m);
    r->m = next;
    return 0;
}

static const struct lake_catalog_ops one_ops = {.load = one_load, .swap = one_swap};

struct told {
    int counts[LAKE_DO_KINDS];
    int64_t files[LAKE_DO_KINDS];
    char last[500];
};

static inline void note_action(void *arg, const struct lake_action *action, enum err_code code,
                               const char *did, int64_t files, int64_t bytes)
{
    struct told *told = arg;

    (void)bytes;
    snprintf(told->last, sizeof(told->last), "%s: %s (%s)", lake_action_name(action->kind), did,
             action->reason);
    if (getenv("TARN_TEST_SAY"))
        print_message("%s\n", told->last);
    if (code == 0) {
        told->counts[action->kind]++;
        told->files[action->kind] += files;
    }
}

static inline struct lake_upkeep upkeep(struct real *r, int64_t swept_ms, struct told *told)
{
    struct one_table one = {{&one_ops, false}, r};
    struct lake_upkeep done;
    struct lake_upkeep_options o = {.catalog = &one.catalog,
                                    .ident = {"ns", "t"},
                                    .rewriter = lake_rewriter_duckdb(r->db),
                                    .past = {.swept_ms = swept_ms},
                                    .tell = note_action,
                                    .arg = told};

    memset(told, 0, sizeof(*told));
    OK(lake_upkeep(r->lake, &o, &done, &r->err));
    return done;
}

static inline void set_properties(struct real *r, const struct lake_property *list, size_t count)
{
    struct lake_change change = {.properties = list, .property_count = count};

    commit(r, &change);
}

/* Deletes rows at these positions of the n-th newest data file. */
static inline void delete_rows(struct real *r, size_t nth, const int64_t *positions, size_t count)
{
    struct arena arena = {0};
    struct lake_plan plan;
    struct lake_row_delete rows;
    struct lake_change change = {.row_deletes = &rows, .row_delete_count = 1, .db = r->db};

    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    assert_true(nth < plan.file_count);
    rows = (struct lake_row_delete){.path = plan.files[nth].entry.file.path,
                                    .spec_id = -1,
                                    .sequence_number = -1,
                                    .file_sequence_number = -1,
                                    .positions = positions,
                                    .position_count = count};
    commit(r, &change);
    arena_deinit(&arena);
}

static inline void upgrade_v3(struct real *r)
{
    apply_updates(
        r, json_pack("[{s:s, s:i}]", "action", "upgrade-format-version", "format-version", 3));
}

#endif
