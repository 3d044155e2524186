/* commit.c - changes that come as requirements and updates, from REST clients, and changes of our
 * own that stage themselves (lake/commit.h: lake_part).
 *
 * Each round loads the newest metadata, applies the change, writes the new metadata file, and swaps
 * (pending.c: the file becomes durable with the swap, as do the manifests and lists of a change
 * that staged itself). A swap that finds the table moved on is
 * followed by another round: the requirements are what decides whether the change still makes
 * sense, not the pointer. Readers of the store may see a file that never became true; it is
 * removed, unless the outcome is unknown.
 *
 * Changes to one table that wait for it at the same time are applied one after the other and made
 * true together (queue.c), as if they had come in that order: each is checked on the state that the
 * one before left, one that is refused leaves no trace, and the states between are never written.
 * A commit of several tables holds the queues of all of them while it is made.
 */
#include "catalog/catalog_int.h"
#include "lake/draft.h"

#define ROUNDS_MAX  50
#define CHANGES_MAX 1000
#define GROUP_MAX   64

static bool asks_for(const json_t *list, const char *key, const char *word)
{
    size_t at;
    json_t *item;

    json_array_foreach(list, at, item)
    {
        const char *text = json_string_value(json_object_get(item, key));

        if (text && strcmp(text, word) == 0)
            return true;
    }
    return false;
}

/* A client that creates a table without saying where gets the default place. */
static json_t *with_location(const json_t *updates, const char *location)
{
    json_t *copy = updates ? json_copy((json_t *)updates) : json_array();

    if (copy && json_array_append_new(copy, json_pack("{s:s, s:s}", "action", "set-location",
                                                      "location", location))) {
        json_decref(copy);
        copy = NULL;
    }
    return copy;
}

static int apply_new(struct catalog *catalog, const struct catalog_change *change,
                     struct arena *arena, struct lake_metadata **out, struct err *err)
{
    json_t *updates = NULL;
    const char *location;
    int rc;

    if (!asks_for(change->requirements, "type", "assert-create"))
        return no_table(err, &change->ident);
    rc = table_vacant(catalog, &change->ident, err);
    if (rc)
        return rc;
    if (!asks_for(change->updates, "action", "set-location")) {
        location = table_default_location(catalog, &change->ident, arena, err);
        updates = location ? with_location(change->updates, location) : NULL;
        if (!updates)
            return err->code ? err->code : err_set(err, ERR_NOMEM, "table commit");
    }
    rc = lake_metadata_apply(NULL, change->requirements, updates ? updates : change->updates,
                             clock_wall_ms(catalog->clock), out, err);
    json_decref(updates);
    return rc;
}

/* ---- one table on its way ---- */

struct step {
    struct lake_carrier carrier; /* first: of the parts' small files */
    struct catalog *catalog;
    struct arena *arena;
    struct ride *rides;
    size_t ride_count, ride_cap;
    struct catalog_table base;  /* metadata NULL: it does not exist yet */
    struct lake_metadata *next; /* a reference; NULL: nothing changed */
    struct lake_draft draft;
    struct swap swap;
};

/* A file is written, to be durable with the step. */
static int step_put(struct lake_carrier *carrier, const char *location, struct slice bytes,
                    struct err *err)
{
    struct step *step = (struct step *)carrier;
    struct ride ride = {.location = arena_strdup(step->arena, location)};
    struct buf packed = {0};
    int rc = 0;

    if (step->ride_count == step->ride_cap) {
        size_t cap = step->ride_cap ? step->ride_cap * 2 : 8;
        struct ride *more = ARENA_ARRAY(step->arena, struct ride, cap);

        if (!more)
            return err_set(err, ERR_NOMEM, "table commit");
        if (step->ride_count)
            memcpy(more, step->rides, step->ride_count * sizeof(*more));
        step->rides = more;
        step->ride_cap = cap;
    }
    rc = ride.location ? pending_put(step->catalog, location, bytes, &packed, err)
                       : err_set(err, ERR_NOMEM, "table commit");
    if (!rc && packed.len) {
        ride.packed = arena_slice(step->arena, buf_slice(&packed));
        if (ride.packed.ptr)
            step->rides[step->ride_count++] = ride;
        else
            rc = err_set(err, ERR_NOMEM, "table commit");
    }
    buf_deinit(&packed);
    return rc;
}

static struct step step_of(struct catalog *catalog, struct arena *arena)
{
    return (struct step){.carrier = {step_put}, .catalog = catalog, .arena = arena};
}

static int step_load(struct step *step, const struct lake_ident *ident, struct err *err)
{
    int rc = catalog_table_load(step->catalog, ident, step->arena, &step->base, err);

    return rc == ERR_NOENT ? 0 : rc;
}

static struct lake_metadata *step_now(const struct step *step)
{
    return step->next ? step->next : step->base.metadata;
}

/* Puts one change on top of what the step holds. Refused: the step is as before. */
static int step_apply(struct step *step, const struct catalog_change *change, struct err *err)
{
    struct lake_metadata *now = step_now(step), *next = NULL;
    int rc = now ? lake_metadata_apply(now, change->requirements, change->updates,
                                       clock_wall_ms(step->catalog->clock), &next, err)
                 : apply_new(step->catalog, change, step->arena, &next, err);

    if (rc)
        return rc;
    if (now && json_array_size(change->updates) == 0) { /* only asked */
        lake_metadata_free(next);
        return 0;
    }
    lake_metadata_free(step->next);
    step->next = next;
    return 0;
}

/* What came of staging, with so many rides before it. */
static int step_take(struct step *step, int rc, size_t rides, struct lake_metadata *next)
{
    if (rc) {
        step->ride_count = rides;
        return rc;
    }
    if (next == step_now(step)) { /* it found nothing to do */
        lake_metadata_free(next);
        return 0;
    }
    lake_metadata_free(step->next);
    step->next = next;
    return 0;
}

/* The same with a change that stages itself. */
static int step_stage(struct step *step, const struct lake_part *part, struct err *err)
{
    struct lake_metadata *now = step_now(step), *next = NULL;
    size_t rides = step->ride_count;
    int rc =
        now ? part->stage(part->arg, now, &step->carrier, &next, err) : no_table(err, &part->ident);

    return step_take(step, rc, rides, next);
}

/* Several of them, by the function that `one` of them names. */
static int step_stage_together(struct step *step, const struct lake_part *one, void *const *args,
                               size_t count, struct err *err)
{
    struct lake_metadata *now = step_now(step), *next = NULL;
    size_t rides = step->ride_count;
    int rc = now ? one->stage_together(args, count, now, &step->carrier, &next, err)
                 : no_table(err, &one->ident);

    return step_take(step, rc, rides, next);
}

/* The file is written when this returns, and the swap is ready. */
static int step_write(struct step *step, const struct lake_ident *ident, struct err *err)
{
    const struct lake_metadata *base = step->base.metadata;
    int rc = lake_draft_init(&step->draft, step->next, base, step->base.location, step->arena, err);

    if (!rc && (!base || strcmp(base->location, step->next->location) != 0)) {
        step->swap.place = place_of(step->arena, step->next->location);
        if (!step->swap.place)
            rc = err_set(err, ERR_NOMEM, "table location");
    }
    if (!rc)
        rc = place_others(step->arena, base, step->next, &step->swap.others, err);
    if (!rc)
        rc = step_put(&step->carrier, step->draft.location, buf_slice(&step->draft.bytes), err);
    if (rc) {
        step->draft.location = NULL; /* there is nothing to remove */
        return rc;
    }
    step->swap.rides = step->rides;
    step->swap.ride_count = step->ride_count;
    step->swap.lake = (struct lake_swap){
        .ident = *ident,
        .uuid = base ? base->uuid : step->next->uuid,
        .base_location = base ? step->base.location : NULL,
        .new_location = step->draft.location,
    };
    return 0;
}

/* Where the table stands once the step is true. */
static int step_result(const struct step *step, struct arena *arena, struct catalog_table *out,
                       struct err *err)
{
    bool moved = step->next != NULL;

    out->location = arena_strdup(arena, moved ? step->draft.location : step->base.location);
    if (!out->location)
        return err_set(err, ERR_UNKNOWN, "committed, but out of memory for the answer");
    out->metadata = lake_metadata_ref(moved ? step->draft.metadata : step->base.metadata);
    return 0;
}

static void step_settle(struct catalog *catalog, struct step *step)
{
    if (!step->next)
        return;
    lake_draft_keep(catalog->lake, &step->draft);
    if (step->draft.drop_count)
        pending_drop(catalog, step->draft.dropped, step->draft.drop_count);
}

static void step_deinit(struct catalog *catalog, struct step *step, bool remove)
{
    if (remove && step->draft.location)
        lake_remove_files(catalog->lake, &step->draft.location, 1);
    lake_draft_deinit(&step->draft);
    lake_metadata_free(step->next);
    catalog_table_deinit(&step->base);
    *step = (struct step){0};
}

static bool is_retried(int rc)
{
    return rc == ERR_CONFLICT || rc == ERR_EXISTS; /* the next round tells why, or succeeds */
}

/* ---- a group of changes to one table ---- */

struct group {
    struct catalog *catalog;
    const struct lake_ident *ident;
    struct ticket *list[GROUP_MAX];
    size_t count;
    struct swap_also also[GROUP_MAX];
};

/* Who is refused has its answer and leaves the group. */
static void leave(struct group *group, size_t at)
{
    memmove(&group->list[at], &group->list[at + 1],
            (group->count - at - 1) * sizeof(group->list[0]));
    group->count--;
}

static bool may_join(const struct ticket *ticket, const struct lake_part *one)
{
    return ticket->part && ticket->part->stage_together == one->stage_together;
}

/* From this place on, parts that can share a snapshot do, when there are two or more. What they
 * cannot do together, each has to do by itself. */
static void group_share(struct group *group, struct step *step, size_t from)
{
    const struct lake_part *one = group->list[from]->part;
    void *args[GROUP_MAX];
    struct err err = {0};
    size_t count = 0;
    int rc;

    for (size_t i = from; i < group->count; i++)
        if (may_join(group->list[i], one))
            args[count++] = group->list[i]->part->arg;
    rc = count > 1 ? step_stage_together(step, one, args, count, &err) : ERR_AGAIN;
    for (size_t i = from; i < group->count; i++)
        if (may_join(group->list[i], one))
            group->list[i]->turn = rc ? TURN_ALONE : TURN_HAD;
}

static void group_apply(struct group *group, struct step *step)
{
    for (size_t i = 0; i < group->count; i++)
        group->list[i]->turn = TURN_ANY;
    for (size_t i = 0; i < group->count;) {
        struct ticket *ticket = group->list[i];

        ticket->err = (struct err){0};
        ticket->rc = 0;
        if (ticket->turn == TURN_ANY && ticket->part && ticket->part->stage_together)
            group_share(group, step, i);
        if (ticket->turn != TURN_HAD)
            ticket->rc = ticket->part ? step_stage(step, ticket->part, &ticket->err)
                                      : step_apply(step, ticket->change, &ticket->err);
        if (ticket->rc)
            leave(group, i);
        else
            i++;
    }
}

static int group_swap(struct group *group, struct step *step, bool *again, struct err *err)
{
    size_t again_at = 0;
    int rc;

    for (size_t i = 0; i < group->count; i++) {
        const struct lake_part *part = group->list[i]->part;

        group->also[i] = (struct swap_also){group->list[i]->once, part ? part->also : NULL,
                                            part ? part->also_arg : NULL};
    }
    rc = swap_write(group->catalog, group->list[0]->who, &step->swap, 1, group->also, group->count,
                    &again_at, err);
    if (rc == ERR_AGAIN) { /* one of them was done before */
        group->list[again_at]->rc = rc;
        group->list[again_at]->err = *err;
        leave(group, again_at);
        *again = true;
    }
    return rc;
}

static int group_round(struct group *group, bool *again, struct err *err)
{
    struct arena arena = {0};
    struct step step = step_of(group->catalog, &arena);
    bool asked = false;
    int rc = step_load(&step, group->ident, err);

    if (!rc)
        group_apply(group, &step);
    if (!rc && step.next && group->count)
        rc = step_write(&step, group->ident, err);
    if (!rc && step.next && group->count) {
        rc = group_swap(group, &step, again, err);
        *again |= is_retried(rc);
    }
    if (!rc && group->count) {
        for (size_t i = 0; i < group->count; i++) {
            struct ticket *ticket = group->list[i];

            asked |= ticket->arena != NULL;
            if (ticket->arena)
                ticket->rc = step_result(&step, ticket->arena, &ticket->out, &ticket->err);
        }
        if (step.next && asked) /* a client, whose answer is the document */
            text_keep(group->catalog, &step.draft);
        step_settle(group->catalog, &step);
    }
    step_deinit(group->catalog, &step, rc && rc != ERR_UNKNOWN);
    arena_deinit(&arena);
    return rc;
}

/* Every ticket has its answer afterwards. A failure of the whole, which one of them may have
 * caused, is met by each alone. */
static void group_commit(struct group *group)
{
    struct err err = {0};
    bool again = true;
    int rc = 0;

    for (int round = 0; again && group->count && round < ROUNDS_MAX; round++) {
        again = false;
        err = (struct err){0};
        rc = group_round(group, &again, &err);
    }
    if (rc && group->count > 1 && rc != ERR_UNKNOWN) {
        for (size_t i = 0; i < group->count; i++) {
            struct group alone = {.catalog = group->catalog,
                                  .ident = group->ident,
                                  .list = {group->list[i]},
                                  .count = 1};

            group_commit(&alone);
        }
        return;
    }
    for (size_t i = 0; rc && i < group->count; i++) {
        group->list[i]->rc = rc;
        group->list[i]->err = err;
    }
}

/* The calling thread leads the table: its own change, and what waits behind it. */
static void lead(struct catalog *catalog, const struct lake_ident *ident, struct ticket *mine)
{
    struct group group = {.catalog = catalog, .ident = ident, .list = {mine}, .count = 1};
    struct ticket *others = queue_take(catalog, ident, GROUP_MAX - 1);

    for (struct ticket *ticket = others; ticket; ticket = ticket->next)
        group.list[group.count++] = ticket;
    group_commit(&group);
    for (struct ticket *ticket = others, *next; ticket; ticket = next) {
        next = ticket->next;
        queue_answer(ticket);
    }
}

static int commit_one(struct catalog *catalog, const struct catalog_change *change, const char *who,
                      struct arena *arena, struct catalog_table *out, struct err *err)
{
    struct ticket ticket = {.change = change, .who = who, .once = once_current(), .arena = arena};
    int rc;

    if (queue_enter(catalog, &change->ident, &ticket, &rc)) {
        lead(catalog, &change->ident, &ticket);
        queue_leave(catalog, &change->ident);
    } else if (rc) {
        return err_set(err, rc, "table commit");
    }
    *out = ticket.out;
    if (ticket.rc)
        *err = ticket.err;
    return ticket.rc;
}

static int commit_part(struct catalog *catalog, const struct lake_part *part, struct err *err)
{
    struct ticket ticket = {.part = part, .who = "tarn"};
    int rc;

    if (queue_enter(catalog, &part->ident, &ticket, &rc)) {
        lead(catalog, &part->ident, &ticket);
        queue_leave(catalog, &part->ident);
    } else if (rc) {
        return err_set(err, rc, "table commit");
    }
    if (ticket.rc && err)
        *err = ticket.err;
    return ticket.rc;
}

/* ---- changes to several tables ---- */

static int check_changes(const struct catalog_change *changes, size_t count, struct err *err)
{
    int rc = 0;

    if (count == 0 || count > CHANGES_MAX)
        return err_set(err, ERR_INVALID, "A commit is of 1 to %d tables", CHANGES_MAX);
    for (size_t i = 0; !rc && i < count; i++) {
        rc = check_ident(&changes[i].ident, err);
        for (size_t j = 0; !rc && j < i; j++)
            if (strcmp(changes[i].ident.ns, changes[j].ident.ns) == 0 &&
                strcmp(changes[i].ident.name, changes[j].ident.name) == 0)
                rc = err_set(err, ERR_INVALID, "Table %s is named twice in one commit",
                             show_table(&changes[i].ident).text);
    }
    return rc;
}

/* Changes as JSON, one for each table, or parts, of which a table may have several. */
struct many {
    struct catalog *catalog;
    const char *who;
    const struct catalog_change *changes; /* or */
    const struct lake_part *parts;
    size_t count;
    const struct lake_ident **idents; /* of the tables in order, each once */
    size_t ident_count;
    struct swap_also *also;
    size_t also_count;
    struct arena *arena;
    struct catalog_table *out; /* of the changes */
};

static const struct lake_ident *ident_at(const struct many *m, size_t i)
{
    return m->changes ? &m->changes[i].ident : &m->parts[i].ident;
}

static int by_name(const void *left, const void *right)
{
    const struct lake_ident *a = *(const struct lake_ident *const *)left;
    const struct lake_ident *b = *(const struct lake_ident *const *)right;
    int order = strcmp(a->ns, b->ns);

    return order ? order : strcmp(a->name, b->name);
}

static bool is_of(const struct many *m, size_t i, const struct lake_ident *ident)
{
    const struct lake_ident *of = ident_at(m, i);

    return by_name(&of, &ident) == 0;
}

/* All that one table gets, in the order given, and its file. */
static int many_step(struct many *m, const struct lake_ident *ident, struct step *step,
                     struct err *err)
{
    int rc;

    *step = step_of(m->catalog, m->arena);
    rc = step_load(step, ident, err);
    for (size_t i = 0; !rc && i < m->count; i++)
        if (is_of(m, i, ident))
            rc = m->changes ? step_apply(step, &m->changes[i], err)
                            : step_stage(step, &m->parts[i], err);
    return rc || !step->next ? rc : step_write(step, ident, err);
}

static int many_results(struct many *m, const struct step *steps, struct err *err)
{
    int rc = 0;

    for (size_t k = 0; m->out && k < m->ident_count && !rc; k++)
        for (size_t i = 0; i < m->count && !rc; i++)
            if (is_of(m, i, m->idents[k]))
                rc = step_result(&steps[k], m->arena, &m->out[i], err);
    return rc;
}

static int many_round(struct many *m, bool *again, struct err *err)
{
    struct step *steps = ARENA_ARRAY(m->arena, struct step, m->ident_count);
    struct swap *swaps = ARENA_ARRAY(m->arena, struct swap, m->ident_count);
    int rc = steps && swaps ? 0 : err_set(err, ERR_NOMEM, "table commit");
    size_t used = 0;

    for (size_t k = 0; !rc && k < m->ident_count; k++) {
        rc = many_step(m, m->idents[k], &steps[k], err);
        if (!rc && steps[k].next)
            swaps[used++] = steps[k].swap;
    }
    if (!rc && used) {
        rc = swap_write(m->catalog, m->who, swaps, used, m->also, m->also_count, NULL, err);
        *again = is_retried(rc);
    }
    rc = rc ? rc : many_results(m, steps, err);
    for (size_t k = 0; steps && k < m->ident_count; k++) {
        if (!rc)
            step_settle(m->catalog, &steps[k]);
        step_deinit(m->catalog, &steps[k], rc && rc != ERR_UNKNOWN);
    }
    return rc;
}

/* Each table once, sorted: so no two wait for each other in a ring. */
static int many_tables(struct many *m, struct err *err)
{
    m->idents = ARENA_ARRAY(m->arena, const struct lake_ident *, m->count);
    if (!m->idents)
        return err_set(err, ERR_NOMEM, "table commit");
    for (size_t i = 0; i < m->count; i++)
        m->idents[i] = ident_at(m, i);
    qsort(m->idents, m->count, sizeof(m->idents[0]), by_name);
    for (size_t i = 0; i < m->count; i++)
        if (i == 0 || by_name(&m->idents[i], &m->idents[m->ident_count - 1]) != 0)
            m->idents[m->ident_count++] = m->idents[i];
    return 0;
}

static int commit_many(struct many *m, struct err *err)
{
    bool again = true;
    size_t held = 0;
    int rc = many_tables(m, err);

    while (!rc && held < m->ident_count) {
        struct ticket ticket = {0};

        if (queue_enter(m->catalog, m->idents[held], &ticket, &rc))
            held++;
        else
            err_set(err, rc, "table commit");
    }
    for (int round = 0; (!rc || again) && held == m->ident_count && again && round < ROUNDS_MAX;
         round++) {
        again = false;
        *err = (struct err){0};
        rc = many_round(m, &again, err);
    }
    while (held)
        queue_leave(m->catalog, m->idents[--held]);
    return rc;
}

int commit_parts(struct catalog *catalog, const struct lake_part *parts, size_t count,
                 struct err *err)
{
    struct arena arena = {0};
    struct err local = {0}; /* codes are read from it */
    struct many many = {
        .catalog = catalog, .who = "tarn", .parts = parts, .count = count, .arena = &arena};
    int rc;

    if (count == 1)
        return commit_part(catalog, parts, err);
    many.also = ARENA_ARRAY(&arena, struct swap_also, count + 1);
    rc = many.also ? 0 : err_set(&local, ERR_NOMEM, "table commit");
    for (size_t i = 0; i < count && !rc; i++)
        if (parts[i].also)
            many.also[many.also_count++] =
                (struct swap_also){NULL, parts[i].also, parts[i].also_arg};
    rc = rc ? rc : commit_many(&many, &local);
    arena_deinit(&arena);
    if (rc && err)
        *err = local;
    return rc;
}

int catalog_commit(struct catalog *catalog, const struct catalog_change *changes, size_t count,
                   const char *who, struct arena *arena, struct catalog_table *out, struct err *err)
{
    struct err local = {0}; /* codes are read from it */
    struct swap_also also = {.once = once_current()};
    struct many many = {catalog, who, changes, NULL, count, NULL, 0, &also, 1, arena, out};
    int rc = check_changes(changes, count, &local);

    memset(out, 0, count * sizeof(*out));
    if (!rc)
        rc = count == 1 ? commit_one(catalog, changes, who, arena, out, &local)
                        : commit_many(&many, &local);
    if (rc) {
        for (size_t i = 0; i < count; i++)
            catalog_table_deinit(&out[i]);
        if (err)
            *err = local;
    }
    return rc;
}
