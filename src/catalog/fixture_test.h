/* fixture_test.h - a whole catalog on any disk, for the tests of this room. */
#ifndef CATALOG_FIXTURE_TEST_H
#define CATALOG_FIXTURE_TEST_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "catalog/catalog_int.h"

struct stack {
    struct disk *disk;
    struct clock *clock;
    struct meta *meta;
    struct store *store;
    struct lake *lake;
    struct catalog *catalog;
};

static const struct meta_migration *const stack_migrations[] = {catalog_migrations, NULL};

static inline void stack_close(struct stack *s)
{
    catalog_free(s->catalog);
    lake_free(s->lake);
    store_free(s->store);
    meta_free(s->meta);
    s->catalog = NULL;
    s->lake = NULL;
    s->store = NULL;
    s->meta = NULL;
}

/* `dir` holds everything. no_thread: deterministic, for simulated disks. */
static inline int stack_open_with(struct stack *s, const char *dir,
                                  const struct meta_migration *const *migrations, bool no_thread,
                                  struct err *err)
{
    char path[300];
    int rc = disk_mkdirs(s->disk, dir, err);

    if (!rc) {
        snprintf(path, sizeof(path), "%s/meta.db", dir);
        struct meta_options options = {.path = path,
                                       .disk = s->disk,
                                       .clock = s->clock,
                                       .migrations = migrations,
                                       .no_thread = no_thread};
        rc = meta_new(&s->meta, &options, err);
    }
    if (!rc) {
        snprintf(path, sizeof(path), "%s/store", dir);
        struct store_local_options options = {.dir = path, .disk = s->disk, .clock = s->clock};
        rc = store_local_new(&s->store, &options, err);
    }
    if (!rc) {
        struct lake_options options = {.store = s->store, .clock = s->clock};
        rc = lake_new(&s->lake, &options, err);
    }
    if (!rc) {
        struct catalog_options options = {.meta = s->meta,
                                          .lake = s->lake,
                                          .clock = s->clock,
                                          .name = "polariscatalog",
                                          .warehouse = "s3://warehouse/polariscatalog",
                                          .no_thread = no_thread};
        rc = catalog_new(&s->catalog, &options, err);
    }
    return rc;
}

static inline int stack_open(struct stack *s, const char *dir, bool no_thread, struct err *err)
{
    return stack_open_with(s, dir, stack_migrations, no_thread, err);
}

static inline int make_table(struct stack *s, const char *ns, const char *name,
                             struct catalog_table *out, struct arena *arena, struct err *err)
{
    struct lake_ident ident = {ns, name};
    struct lake_schema schema = {0};
    struct lake_table_options options = {.schema = &schema};
    int rc = lake_schema_parse_text(
        slice_str("{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
                  "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
                  "{\"id\":2,\"name\":\"note\",\"required\":false,\"type\":\"string\"}]}"),
        arena, &schema, err);

    return rc ? rc : catalog_table_create(s->catalog, &ident, &options, false, arena, out, err);
}

/* Commits requirements and updates given as JSON text. */
static inline int commit_text(struct stack *s, const char *ns, const char *name,
                              const char *requirements, const char *updates, struct arena *arena,
                              struct catalog_table *out, struct err *err)
{
    struct catalog_change change = {.ident = {ns, name}};
    json_t *first = NULL, *second = NULL;
    int rc = json_parse(slice_str(requirements), &first, err);

    if (!rc)
        rc = json_parse(slice_str(updates), &second, err);
    change.requirements = first;
    change.updates = second;
    if (!rc)
        rc = catalog_commit(s->catalog, &change, 1, "test", arena, out, err);
    json_decref(first);
    json_decref(second);
    return rc;
}

#endif
