/* schema_edit.c - schema evolution. Iceberg spec, "Schema Evolution": a field keeps its id for
 * life, a name may be used again by a field with another id, and no edit rewrites data. */
#include "lake/lake_int.h"

struct editor {
    struct arena *arena;
    struct err *err;
    struct lake_schema *schema;
    int format;
    int32_t *last_id;
};

static int copy_type(struct arena *arena, struct lake_type *out, const struct lake_type *from)
{
    *out = *from;
    if (!from->field_count) {
        out->fields = NULL;
        return 0;
    }
    out->fields = ARENA_ARRAY(arena, struct lake_field, from->field_count + 1);
    if (!out->fields)
        return ERR_NOMEM;
    for (size_t i = 0; i < from->field_count; i++) {
        struct lake_field *to = &out->fields[i];
        const struct lake_field *f = &from->fields[i];

        *to = *f;
        to->name = arena_strdup(arena, f->name);
        to->doc = f->doc ? arena_strdup(arena, f->doc) : NULL;
        to->initial_default = f->initial_default ? arena_strdup(arena, f->initial_default) : NULL;
        to->write_default = f->write_default ? arena_strdup(arena, f->write_default) : NULL;
        if (!to->name || copy_type(arena, &to->type, &f->type))
            return ERR_NOMEM;
    }
    return 0;
}

/* The struct that holds `column`, and its place there; the last part of the name. */
static int locate(struct editor *e, const char *column, struct lake_type **parent, size_t *index)
{
    struct lake_type *type = &e->schema->root;
    const char *rest = column;

    for (;;) {
        size_t i;

        for (i = 0; i < type->field_count; i++) {
            size_t len = strlen(type->fields[i].name);

            if (!strcmp(rest, type->fields[i].name)) {
                *parent = type;
                *index = i;
                return 0;
            }
            if (!strncmp(rest, type->fields[i].name, len) && rest[len] == '.')
                break;
        }
        if (i == type->field_count)
            return err_set(e->err, ERR_NOENT, "there is no column %.200s", column);
        rest += strlen(type->fields[i].name) + 1;
        type = &type->fields[i].type;
    }
}

static void number_type(struct lake_type *type, int32_t *last_id)
{
    for (size_t i = 0; i < type->field_count; i++)
        type->fields[i].id = ++*last_id;
    for (size_t i = 0; i < type->field_count; i++)
        number_type(&type->fields[i].type, last_id);
}

/* "a.b.c" adds c to the struct a.b; through a list or map the struct inside is meant. */
static int parent_of(struct editor *e, const char *column, struct lake_type **parent,
                     const char **leaf)
{
    const char *dot = strrchr(column, '.');
    struct lake_type *holder;
    size_t index;
    char *path;
    int rc;

    *parent = &e->schema->root;
    *leaf = column;
    if (!dot)
        return 0;
    path = arena_cstr(e->arena, slice_of(column, (size_t)(dot - column)));
    if (!path)
        return err_set(e->err, ERR_NOMEM, "schema edit");
    rc = locate(e, path, &holder, &index);
    if (rc)
        return rc;
    *parent = &holder->fields[index].type;
    *leaf = dot + 1;
    if ((*parent)->kind == LAKE_LIST)
        *parent = &(*parent)->fields[0].type;
    else if ((*parent)->kind == LAKE_MAP)
        *parent = &(*parent)->fields[1].type;
    return (*parent)->kind == LAKE_STRUCT
               ? 0
               : err_set(e->err, ERR_INVALID, "%.200s is not a struct", path);
}

static bool has_name(const struct lake_type *type, const char *name)
{
    for (size_t i = 0; i < type->field_count; i++)
        if (!strcmp(type->fields[i].name, name))
            return true;
    return false;
}

static int edit_add(struct editor *e, const struct lake_edit *edit)
{
    struct lake_type *parent;
    struct lake_field *fields, *field;
    const char *leaf;
    int rc = parent_of(e, edit->column, &parent, &leaf);

    if (rc)
        return rc;
    if (has_name(parent, leaf))
        return err_set(e->err, ERR_EXISTS, "column %.200s exists already", edit->column);
    if (edit->value && e->format < 3)
        return err_set(e->err, ERR_INVALID,
                       "column %.200s: a default needs format version 3, and this table is of %d",
                       edit->column, e->format);
    if (edit->required && !edit->value)
        return err_set(e->err, ERR_INVALID,
                       "column %.200s: rows that exist have no value for a "
                       "required column",
                       edit->column);
    fields = ARENA_ARRAY(e->arena, struct lake_field, parent->field_count + 1);
    if (!fields)
        return err_set(e->err, ERR_NOMEM, "schema edit");
    if (parent->field_count)
        memcpy(fields, parent->fields, parent->field_count * sizeof(*fields));
    field = &fields[parent->field_count];
    field->name = arena_strdup(e->arena, leaf);
    field->id = ++*e->last_id;
    field->required = edit->required;
    field->initial_default = field->write_default =
        edit->value ? arena_strdup(e->arena, edit->value) : NULL;
    if (!field->name || (edit->value && !field->write_default) ||
        copy_type(e->arena, &field->type, edit->type))
        return err_set(e->err, ERR_NOMEM, "schema edit");
    number_type(&field->type, e->last_id);
    parent->fields = fields;
    parent->field_count++;
    return 0;
}

static int edit_drop(struct editor *e, const struct lake_edit *edit)
{
    struct lake_type *parent;
    size_t i;
    int rc = locate(e, edit->column, &parent, &i);

    if (rc)
        return rc;
    if (parent->kind != LAKE_STRUCT)
        return err_set(e->err, ERR_INVALID, "%.200s is part of a list or map", edit->column);
    for (size_t k = 0; k < e->schema->identifier_count; k++)
        if (e->schema->identifier_ids[k] == parent->fields[i].id)
            return err_set(e->err, ERR_INVALID, "%.200s is an identifier column", edit->column);
    memmove(&parent->fields[i], &parent->fields[i + 1],
            (parent->field_count - i - 1) * sizeof(*parent->fields));
    parent->field_count--;
    return 0;
}

static int edit_rename(struct editor *e, const struct lake_edit *edit)
{
    struct lake_type *parent;
    size_t i;
    int rc = locate(e, edit->column, &parent, &i);

    if (rc)
        return rc;
    if (parent->kind != LAKE_STRUCT)
        return err_set(e->err, ERR_INVALID, "%.200s is part of a list or map", edit->column);
    if (has_name(parent, edit->other))
        return err_set(e->err, ERR_EXISTS, "column %.200s exists already", edit->other);
    parent->fields[i].name = arena_strdup(e->arena, edit->other);
    return parent->fields[i].name ? 0 : err_set(e->err, ERR_NOMEM, "schema edit");
}

static int edit_promote(struct editor *e, const struct lake_edit *edit)
{
    struct lake_type *parent, *type;
    size_t i;
    int rc = locate(e, edit->column, &parent, &i);

    if (rc)
        return rc;
    type = &parent->fields[i].type;
    if (parent->kind == LAKE_MAP && i == 0)
        return err_set(e->err, ERR_INVALID, "%.200s: map keys cannot change", edit->column);
    if (lake_type_primitive(type) && lake_type_equal(type, edit->type))
        return 0;
    if (!lake_type_promotes(type, edit->type, e->format))
        return err_set(e->err, ERR_INVALID, "%.100s cannot go from %.60s to %.60s", edit->column,
                       lake_type_name(type, e->arena), lake_type_name(edit->type, e->arena));
    *type = *edit->type;
    return 0;
}

static int edit_optional(struct editor *e, const struct lake_edit *edit)
{
    struct lake_type *parent;
    size_t i;
    int rc = locate(e, edit->column, &parent, &i);

    if (rc)
        return rc;
    if (parent->kind == LAKE_MAP && i == 0)
        return err_set(e->err, ERR_INVALID, "%.200s: map keys are required", edit->column);
    for (size_t k = 0; k < e->schema->identifier_count; k++)
        if (e->schema->identifier_ids[k] == parent->fields[i].id)
            return err_set(e->err, ERR_INVALID, "%.200s is an identifier column", edit->column);
    parent->fields[i].required = false;
    return 0;
}

static int edit_move(struct editor *e, const struct lake_edit *edit)
{
    struct lake_type *parent;
    struct lake_field moved;
    size_t from, to = 0, k;
    int rc = locate(e, edit->column, &parent, &from);

    if (rc)
        return rc;
    if (parent->kind != LAKE_STRUCT)
        return err_set(e->err, ERR_INVALID, "%.200s is part of a list or map", edit->column);
    moved = parent->fields[from];
    if (edit->kind != LAKE_MOVE_FIRST) {
        for (k = 0; k < parent->field_count; k++)
            if (!strcmp(parent->fields[k].name, edit->other))
                break;
        if (k == parent->field_count || k == from)
            return err_set(e->err, ERR_NOENT, "%.100s has no sibling %.100s", edit->column,
                           edit->other);
        to = k + (edit->kind == LAKE_MOVE_AFTER) - (from < k);
    }
    memmove(&parent->fields[from], &parent->fields[from + 1],
            (parent->field_count - from - 1) * sizeof(moved));
    memmove(&parent->fields[to + 1], &parent->fields[to],
            (parent->field_count - to - 1) * sizeof(moved));
    parent->fields[to] = moved;
    return 0;
}

static int edit_doc(struct editor *e, const struct lake_edit *edit)
{
    struct lake_type *parent;
    size_t i;
    int rc = locate(e, edit->column, &parent, &i);

    if (rc)
        return rc;
    parent->fields[i].doc = arena_strdup(e->arena, edit->other);
    return parent->fields[i].doc ? 0 : err_set(e->err, ERR_NOMEM, "schema edit");
}

/* What later writers fill in; rows that are there keep their initial default. */
static int edit_default(struct editor *e, const struct lake_edit *edit)
{
    struct lake_type *parent;
    size_t i;
    int rc = locate(e, edit->column, &parent, &i);

    if (rc)
        return rc;
    if (edit->value && e->format < 3)
        return err_set(e->err, ERR_INVALID,
                       "column %.200s: a default needs format version 3, and this table is of %d",
                       edit->column, e->format);
    parent->fields[i].write_default = edit->value ? arena_strdup(e->arena, edit->value) : NULL;
    return !edit->value || parent->fields[i].write_default
               ? 0
               : err_set(e->err, ERR_NOMEM, "schema edit");
}

int lake_schema_edit(const struct lake_schema *base, const struct lake_edit *edits, size_t count,
                     int format, int32_t *last_id, struct arena *arena, struct lake_schema *out,
                     struct err *err)
{
    static int (*const handlers[])(struct editor *, const struct lake_edit *) = {
        [LAKE_ADD] = edit_add,
        [LAKE_DROP] = edit_drop,
        [LAKE_RENAME] = edit_rename,
        [LAKE_PROMOTE] = edit_promote,
        [LAKE_MAKE_OPTIONAL] = edit_optional,
        [LAKE_MOVE_FIRST] = edit_move,
        [LAKE_MOVE_AFTER] = edit_move,
        [LAKE_MOVE_BEFORE] = edit_move,
        [LAKE_SET_DOC] = edit_doc,
        [LAKE_SET_DEFAULT] = edit_default,
    };
    struct editor e = {arena, err, out, format, last_id};
    int rc;

    *out = *base;
    out->identifier_ids = ARENA_ARRAY(arena, int32_t, base->identifier_count + 1);
    if (!out->identifier_ids || copy_type(arena, &out->root, &base->root))
        return err_set(err, ERR_NOMEM, "schema edit");
    memcpy(out->identifier_ids, base->identifier_ids,
           base->identifier_count * sizeof(*base->identifier_ids));
    for (size_t i = 0; i < count; i++) {
        rc = handlers[edits[i].kind](&e, &edits[i]);
        if (rc)
            return rc;
    }
    return lake_schema_check(out, err);
}
