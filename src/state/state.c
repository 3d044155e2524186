/* state.c - the tables of a state, its manifest, and which files of its folder are needed. */
#include <stdio.h>

#include "base/json.h"
#include "state/state_int.h"

#define BASE_MIN_BYTES ((int64_t)16 << 20)

int state_new(struct state **out, const struct state_options *options, struct err *err)
{
    struct state *state = *out = calloc(1, sizeof(*state));
    int rc = 0;

    if (!state)
        return err_set(err, ERR_NOMEM, "state");
    state->disk = options->disk;
    state->clock = options->clock;
    state->changed = 1;
    state->sync_later = options->sync_later;
    state->writer = options->writer;
    state->read_only = options->read_only;
    state->only = options->only;
    state->base_min_bytes = options->base_min_bytes ? options->base_min_bytes : BASE_MIN_BYTES;
    state->dir = options->dir ? strdup(options->dir) : NULL;
    if (options->dir && !(state->dir && options->read_only))
        rc = state->dir ? disk_mkdirs(state->disk, state->dir, err)
                        : err_set(err, ERR_NOMEM, "state");
    if (!rc && state->dir && options->memory_bytes)
        rc = spill_new(&state->spill, state->disk, state->dir, options->memory_bytes, err);
    if (rc) {
        state_free(state);
        *out = NULL;
    }
    return rc;
}

static void free_runs(struct run *run)
{
    while (run) {
        struct run *next = run->next;

        free(run);
        run = next;
    }
}

static void free_table(struct state_table *table)
{
    for (size_t i = 0; i < table->space_count; i++)
        space_free(table->spaces[i]);
    free(table->spaces);
    free(table->dropped);
    free(table->name);
    free(table);
}

void state_free(struct state *state)
{
    if (!state)
        return;
    while (state->tables) {
        struct state_table *next = state->tables->next;

        free_table(state->tables);
        state->tables = next;
    }
    spill_free(state->spill);
    run_deinit(&state->run);
    run_deinit(&state->base);
    free_runs(state->runs);
    free_runs(state->obsolete);
    state_sync_free(state->unsynced);
    free(state->dir);
    free(state);
}

int state_table_open(struct state *state, const struct state_table_options *options,
                     struct state_table **out, struct err *err)
{
    struct state_table *table = *out = calloc(1, sizeof(*table));

    if (table)
        table->name = strdup(options->name);
    if (!table || !table->name) {
        free(table);
        *out = NULL;
        return err_set(err, ERR_NOMEM, "state %s", options->name);
    }
    table->state = state;
    table->grouped = options->grouped;
    table->ttl_ms = options->ttl_ms;
    table->expired = options->expired;
    table->expired_arg = options->expired_arg;
    table->sweep_space = INT64_MIN;
    table->next = state->tables;
    state->tables = table;
    return 0;
}

/* ---- the manifest ---- */

int state_manifest(struct state *state, struct arena *arena, const char **json, struct err *err)
{
    struct buf text = {0};
    int rc = buf_printf(&text, "{\"epoch\":%" PRId64 ",\"files\":[", state->epoch);

    assert(!state->sealing);
    for (struct run *run = state->runs; run && !rc; run = run->next)
        rc = buf_printf(&text, "%s{\"name\":\"%s\",\"epoch\":%" PRId64 ",\"bytes\":%" PRId64 "}",
                        run == state->runs ? "" : ",", run->name, run->epoch, run->bytes);
    if (!rc)
        rc = buf_append_str(&text, "]}");
    for (struct run *run = state->obsolete; run && !rc; run = run->next)
        run->unnamed = true;
    *json = rc ? NULL : arena_cstr(arena, buf_slice(&text));
    buf_deinit(&text);
    return *json ? 0 : err_set(err, ERR_NOMEM, "state: the manifest");
}

/* A base may have been finished since that manifest: what it replaces is still named there. A file
 * that cannot be removed now is found by the next load. */
void state_committed(struct state *state)
{
    struct run **at = &state->obsolete;
    char path[4096];

    while (*at) {
        struct run *run = *at;

        if (!run->unnamed) {
            at = &run->next;
            continue;
        }
        snprintf(path, sizeof(path), "%s/%s", state->dir, run->name);
        (void)disk_unlink(state->disk, path, NULL);
        *at = run->next;
        free(run);
    }
}

bool state_is_busy(const struct state *state)
{
    return state->sealing || state->basing;
}

static int parse_run(struct state *state, const json_t *json, struct run ***end, struct err *err)
{
    struct run *run = calloc(1, sizeof(*run));
    const char *name = NULL;
    int rc = run ? 0 : err_set(err, ERR_NOMEM, "state");

    if (!rc) {
        **end = run;
        *end = &run->next;
        rc = json_get_str(json, "name", "state file", &name, err);
    }
    if (!rc)
        rc = json_get_i64(json, "epoch", "state file", &run->epoch, err);
    if (!rc)
        rc = json_get_i64(json, "bytes", "state file", &run->bytes, err);
    if (!rc && (strlen(name) >= sizeof(run->name) || strchr(name, '/')))
        rc = err_set(err, ERR_CORRUPT, "state file '%s': no such name was given", name);
    if (rc)
        return rc;
    snprintf(run->name, sizeof(run->name), "%s", name);
    run->base = slice_ends(slice_str(name), SLICE_LIT(".base"));
    if (run->base)
        state->base_bytes = run->bytes;
    return 0;
}

static int parse_manifest(struct state *state, const char *manifest, struct err *err)
{
    struct run **end = &state->runs;
    json_t *root = NULL, *files = NULL;
    int rc = json_parse(slice_str(manifest), &root, err);

    if (!rc)
        rc = json_get_i64(root, "epoch", "state", &state->epoch, err);
    if (!rc)
        rc = json_get_arr(root, "files", "state", &files, err);
    for (size_t i = 0; i < json_array_size(files) && !rc; i++)
        rc = parse_run(state, json_array_get(files, i), &end, err);
    json_decref(root);
    return rc;
}

static bool is_named(const struct state *state, const char *name)
{
    for (const struct run *run = state->runs; run; run = run->next)
        if (!strcmp(run->name, name))
            return true;
    return false;
}

/* What a process left that died before its epoch was true. */
static int remove_others(struct state *state, struct err *err)
{
    struct arena arena = {0};
    struct disk_entry *entries;
    char path[4096];
    size_t count;
    int rc = disk_list(state->disk, state->dir, &arena, &entries, &count, err);

    for (size_t i = 0; i < count && !rc; i++) {
        if (entries[i].is_dir || is_named(state, entries[i].name))
            continue;
        snprintf(path, sizeof(path), "%s/%s", state->dir, entries[i].name);
        rc = disk_unlink(state->disk, path, err);
    }
    arena_deinit(&arena);
    return rc;
}

int state_load(struct state *state, const char *manifest, struct err *err)
{
    int rc = 0;

    if (!state->dir)
        return 0;
    if (manifest)
        rc = parse_manifest(state, manifest, err);
    state->loading = true;
    for (const struct run *run = state->runs; run && !rc; run = run->next) {
        rc = run_load(state, run, err);
        for (struct state_table *table = state->tables; table; table = table->next)
            load_end(table);
    }
    state->loading = false;
    return rc || state->read_only ? rc : remove_others(state, err);
}

int state_supersede(struct state *state, const char *manifest, struct err *err)
{
    int rc = parse_manifest(state, manifest, err);

    state->obsolete = state->runs;
    state->runs = NULL;
    state->base_bytes = 0;
    return rc;
}

void state_info(struct state *state, struct state_info *out)
{
    *out = (struct state_info){0};
    for (struct state_table *table = state->tables; table; table = table->next)
        for (size_t i = 0; i < table->space_count; i++) {
            const struct space *space = table->spaces[i];

            out->entries += space->entries.used;
            out->changed += space->changed.count;
            out->memory_bytes +=
                (int64_t)space->pool.bytes +
                (int64_t)(space->entries.mask + space->groups.mask + 2) *
                    (int64_t)sizeof(struct place) +
                (int64_t)(space->all.cap + space->changed.cap + space->sealed.cap) *
                    (int64_t)sizeof(struct entry *);
        }
    if (state->spill)
        out->spilled_bytes = (int64_t)(state->spill->end - state->spill->unit_count * HUGE_BYTES);
    for (const struct run *run = state->runs; run; run = run->next)
        out->disk_bytes += run->bytes;
}
