/* flow_state.c - the states of a flow as one: its own, and one for each shard of its operators.
 *
 * They are sealed together, written side by side, and true together: the manifest of several is
 *     {"epoch":7,"states":[OWN, OF SHARD 1, ...]}
 * and of a flow without shards its state's own, as it was before there were any. The folder of
 * shard n is that of the flow's own state and ".n". */
#include <stdio.h>

#include "base/json.h"
#include "base/team.h"
#include "operator/home.h"
#include "stream/stream_int.h"

static int no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "the state of a pipeline");
}

/* ---- how many there are ---- */

int flow_state_shards(const char *manifest, size_t *shards, struct err *err)
{
    json_t *root = NULL, *states;
    int rc = 0;

    *shards = 0;
    if (!manifest || !strstr(manifest, "\"states\""))
        return 0;
    rc = json_parse(slice_str(manifest), &root, err);
    if (!rc)
        rc = json_get_arr(root, "states", "state", &states, err);
    if (!rc && (json_array_size(states) < 2 || json_array_size(states) > STREAM_SHARDS_MAX + 1))
        rc = err_set(err, ERR_CORRUPT, "a manifest of %zu states", json_array_size(states));
    if (!rc)
        *shards = json_array_size(states) - 1;
    json_decref(root);
    return rc;
}

static int open_reader(struct state **out, struct pipeline *p, size_t number, struct err *err)
{
    const struct stream_engine_options *o = p->job->options;
    struct state_options options = {.disk = o->disk,
                                    .clock = o->clock,
                                    .memory_bytes = o->state_memory_bytes / 4,
                                    .read_only = true};
    char path[4096];

    state_folder(o, p->job->id, p->spec->name, number, path, sizeof(path));
    options.dir = path;
    return state_new(out, &options, err);
}

static int open_one(struct flow_state *s, struct pipeline *p, size_t number, struct err *err)
{
    const struct stream_engine_options *o = p->job->options;
    struct state_options options = {.disk = o->disk,
                                    .clock = o->clock,
                                    .memory_bytes =
                                        o->state_memory_bytes / (int64_t)(s->shard_count + 1),
                                    .read_only = p->reads != READS_NOTHING,
                                    .writer = p->job->writer,
                                    .sync_later = true};
    char path[4096];
    int rc;

    state_folder(o, p->job->id, p->spec->name, number, path, sizeof(path));
    options.dir = path;
    rc = state_new(&s->states[number], &options, err);
    if (rc || !number)
        return rc;
    s->shards[number - 1].state = s->states[number];
    return vec_conn_new(&s->shards[number - 1].conn, o->db, err);
}

int flow_state_open(struct flow_state *s, struct pipeline *p, size_t shards, struct err *err)
{
    int rc = 0;

    if (!p->job->options->state_dir)
        return err_set(err, ERR_UNSUPPORTED, "there is no place for the state of %s",
                       p->spec->name);
    s->team = p->team;
    s->shard_count = shards;
    s->states = calloc(shards + 1, sizeof(struct state *));
    s->shards = calloc(shards + 1, sizeof(*s->shards));
    if (!s->states || !s->shards)
        return no_memory(err);
    for (size_t i = 0; i <= shards && !rc; i++)
        rc = open_one(s, p, i, err);
    return rc;
}

/* The operators, which use the connections and tables, are gone by now. */
void flow_state_close(struct flow_state *s)
{
    for (size_t i = 0; s->states && i <= s->shard_count; i++) {
        state_free(s->states[i]);
        if (i && s->shards)
            vec_conn_free(s->shards[i - 1].conn);
    }
    free(s->states);
    free(s->shards);
    *s = (struct flow_state){0};
}

/* ---- loaded ---- */

struct loading {
    struct flow_state *s;
    char *manifests[STREAM_SHARDS_MAX + 1]; /* owned */
};

static int load_one(void *arg, size_t i, struct err *err)
{
    struct loading *l = arg;

    return state_load(l->s->states[i], l->manifests[i], err);
}

/* Each state's own text out of the flow's. */
static int take_apart(struct loading *l, size_t shards, const char *manifest, struct err *err)
{
    json_t *root = NULL, *states;
    int rc;

    if (!shards) {
        l->manifests[0] = strdup(manifest);
        return l->manifests[0] ? 0 : no_memory(err);
    }
    rc = json_parse(slice_str(manifest), &root, err);
    if (!rc)
        rc = json_get_arr(root, "states", "state", &states, err);
    for (size_t i = 0; i <= shards && !rc; i++) {
        l->manifests[i] = json_dumps(json_array_get(states, i), JSON_COMPACT);
        if (!l->manifests[i])
            rc = no_memory(err);
    }
    json_decref(root);
    return rc;
}

int flow_state_load(struct flow_state *s, const char *manifest, struct err *err)
{
    struct loading l = {.s = s};
    int rc = manifest ? take_apart(&l, s->shard_count, manifest, err) : 0;

    if (!rc)
        rc = team_run(s->team, load_one, &l, s->shard_count + 1, err);
    for (size_t i = 0; i <= s->shard_count; i++)
        free(l.manifests[i]);
    return rc;
}

void flow_state_sweep(const struct flow_state *s, const struct pipeline *p)
{
    const struct stream_engine_options *o = p->job->options;
    char path[4096];

    for (size_t i = s->shard_count + 1; i <= STREAM_SHARDS_MAX; i++) {
        state_folder(o, p->job->id, p->spec->name, i, path, sizeof(path));
        if (!disk_exists(o->disk, path))
            break;
        (void)disk_remove_tree(o->disk, path, NULL); /* else the next start does */
    }
}

/* ---- moved to another number of shards ---- */

struct move {
    struct flow_state *s;
    struct op_graph *graph;
    struct op_moving entry;
};

/* Numbers only grow: what several shards say is the largest. */
static int adopt_largest(struct state_table *table, const struct op_moving *m, uint32_t touched,
                         struct err *err)
{
    int64_t has, comes;
    uint32_t len;
    const void *there = state_look(table, &m->key, &len);

    if (there && len == sizeof(has) && m->value.len == sizeof(comes)) {
        memcpy(&has, there, sizeof(has));
        memcpy(&comes, m->value.ptr, sizeof(comes));
        if (has >= comes)
            return 0;
    }
    return state_adopt(table, &m->key, touched, m->value, err);
}

static int adopt(struct state *state, const struct op_moving *m, uint32_t touched, struct err *err)
{
    struct state_table *table = state_table_find(state, m->table);

    if (!table)
        return err_set(err, ERR_CORRUPT, "table %s has no place", m->table);
    return strstr(m->table, ".progress") ? adopt_largest(table, m, touched, err)
                                         : state_adopt(table, &m->key, touched, m->value, err);
}

static int move_entry(void *arg, const char *table, const struct state_key *key, uint32_t touched,
                      struct slice value, struct err *err)
{
    struct move *move = arg;
    struct op_moving *m = &move->entry;
    struct flow_state *s = move->s;
    int rc;

    m->table = table;
    m->key = *key;
    m->value = value;
    rc = op_graph_home(move->graph, m, err);
    if (rc || m->home == OP_HOME_GRAPH)
        return rc ? rc : adopt(s->states[0], m, touched, err);
    if (m->home != OP_HOME_ALL)
        return adopt(s->states[1 + m->home], m, touched, err);
    for (size_t i = 1; i <= s->shard_count && !rc; i++)
        rc = adopt(s->states[i], m, touched, err);
    return rc;
}

/* Number 0 of a state in shards is of the operators that are in none. */
static int move_state(struct move *move, struct pipeline *p, size_t number, size_t shards,
                      const char *manifest, struct err *err)
{
    struct state *from = NULL;
    int rc = open_reader(&from, p, number, err);

    move->entry.from = number ? number - 1 : 0;
    move->entry.of = number ? shards : 0;
    for (size_t i = 0; i <= move->s->shard_count && i < 2 && !rc; i++)
        rc = state_tables_like(from, move->s->states[i], err);
    if (!rc)
        rc = state_load(from, manifest, err);
    if (!rc)
        rc = state_each(from, move_entry, move, err);
    state_free(from);
    return rc;
}

int flow_state_move(struct flow_state *s, struct pipeline *p, const char *manifest,
                    struct op_graph *graph, struct err *err)
{
    struct loading l = {.s = s};
    struct move move = {.s = s, .graph = graph};
    size_t shards = 0;
    int rc = flow_state_shards(manifest, &shards, err);

    if (!rc)
        rc = take_apart(&l, shards, manifest, err);
    for (size_t i = 0; i <= shards && !rc; i++)
        rc = move_state(&move, p, i, shards, l.manifests[i], err);
    for (size_t i = 0; i <= shards && i <= s->shard_count && !rc; i++)
        rc = state_supersede(s->states[i], l.manifests[i], err);
    for (size_t i = 0; i <= shards; i++)
        free(l.manifests[i]);
    buf_deinit(&move.entry.renamed);
    if (!rc)
        diag_info("job", "%s: the state of %s is in %zu shards now, not %zu", p->job->name,
                  p->spec->name, s->shard_count ? s->shard_count : 1, shards ? shards : 1);
    return rc;
}

/* ---- epochs ---- */

int flow_state_seal(struct flow_state *s, int64_t epoch, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i <= s->shard_count && !rc; i++)
        rc = state_seal(s->states[i], epoch, err);
    return rc;
}

struct flushing {
    struct flow_state *s;
    int64_t budget_ns;
    bool done[STREAM_SHARDS_MAX + 1];
};

static int flush_one(void *arg, size_t i, struct err *err)
{
    struct flushing *f = arg;

    return state_flush(f->s->states[i], f->budget_ns, &f->done[i], err);
}

int flow_state_flush(struct flow_state *s, int64_t budget_ns, bool *done, struct err *err)
{
    struct flushing f = {.s = s, .budget_ns = budget_ns};
    int rc = team_run(s->team, flush_one, &f, s->shard_count + 1, err);

    *done = !rc;
    for (size_t i = 0; i <= s->shard_count; i++)
        *done &= f.done[i];
    return rc;
}

int flow_state_manifest(struct flow_state *s, int64_t epoch, struct arena *arena, const char **json,
                        struct err *err)
{
    struct buf text = {0};
    int rc;

    if (!s->shard_count)
        return state_manifest(s->states[0], arena, json, err);
    rc = buf_printf(&text, "{\"epoch\":%" PRId64 ",\"states\":[", epoch);
    for (size_t i = 0; i <= s->shard_count && !rc; i++) {
        const char *one;

        rc = state_manifest(s->states[i], arena, &one, err);
        if (!rc)
            rc = buf_printf(&text, "%s%s", i ? "," : "", one);
    }
    if (!rc)
        rc = buf_append_str(&text, "]}");
    *json = rc ? NULL : arena_cstr(arena, buf_slice(&text));
    buf_deinit(&text);
    return *json ? 0 : no_memory(err);
}

void flow_state_committed(struct flow_state *s)
{
    for (size_t i = 0; i <= s->shard_count; i++)
        state_committed(s->states[i]);
}

bool flow_state_is_busy(const struct flow_state *s)
{
    bool busy = false;

    for (size_t i = 0; i <= s->shard_count; i++)
        busy |= state_is_busy(s->states[i]);
    return busy;
}

int64_t flow_state_disk_bytes(const struct flow_state *s)
{
    int64_t bytes = 0;

    for (size_t i = 0; i <= s->shard_count; i++) {
        struct state_info info;

        state_info(s->states[i], &info);
        bytes += info.disk_bytes;
    }
    return bytes;
}

/* ---- files that are to be durable ---- */

void flow_state_take_syncs(struct flow_state *s, struct syncs *out)
{
    out->count = 0;
    for (size_t i = 0; i <= s->shard_count; i++) {
        struct state_sync *sync = state_take_sync(s->states[i]);

        if (sync)
            out->list[out->count++] = sync;
    }
}

int syncs_wait(struct syncs *syncs, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < syncs->count; i++) {
        if (rc)
            state_sync_free(syncs->list[i]);
        else
            rc = state_sync_wait(syncs->list[i], err);
    }
    syncs->count = 0;
    return rc;
}

void syncs_free(struct syncs *syncs)
{
    for (size_t i = 0; i < syncs->count; i++)
        state_sync_free(syncs->list[i]);
    syncs->count = 0;
}
