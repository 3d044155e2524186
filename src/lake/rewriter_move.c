/* rewriter_move.c - rows of files of older partition specs go to the partitions of the current one.
 *
 * The scan's rows go through a writer, which routes them, so there may be many new files. When they
 * come partition by partition the writer's files are cut each time as many partitions as it keeps
 * open have passed: no row then waits among those of other partitions.
 *
 * The map of where each row went is put together from outside of the writer, which keeps the order
 * of the rows of a partition: what went to a partition since the last cut is, in that order, what
 * its files hold one after the other.
 */
#include "lake/key_index.h"
#include "lake/maintain_int.h"
#include "lake/writer_int.h"

#define MAP_RUNS_MAX ((size_t)4 << 20) /* 128 MB: beyond it a map is given up */
#define OPEN_MAX     16

struct runs {
    struct lake_row_run *list;
    size_t count, cap;
};
struct place {        /* a partition */
    struct runs runs; /* of rows since the last cut, as they came; new_row counts them */
    int64_t rows;
    size_t run; /* while files are told apart: the run at hand, and rows of it that are taken */
    int64_t taken;
};
struct mover {
    struct lake_writer *w;
    const struct lake_merge *merge;
    struct vec_columns columns; /* of the new files */
    idx_t address;              /* of the scan's columns: the file, and behind it the row */
    bool mapped;                /* the rows' ways are noted */
    struct place *places;
    size_t place_count, place_cap, run_count;
    struct runs ways;          /* of rows that are in a file */
    struct lake_value *values; /* of one row's partition */
    struct lake_data_file *files;
    size_t file_count, file_cap;
    size_t parts; /* of the writer at the last cut */
    struct arena *arena;
    struct err *err;
};

static int nomem(struct mover *v)
{
    return err_set(v->err, ERR_NOMEM, "moving rows to partitions");
}

static int add_run(struct mover *v, struct runs *runs, const struct lake_row_run *run)
{
    if (runs->count == runs->cap) {
        size_t cap = runs->cap ? runs->cap * 2 : 16;
        struct lake_row_run *more = realloc(runs->list, cap * sizeof(*more));

        if (!more)
            return nomem(v);
        runs->list = more;
        runs->cap = cap;
    }
    runs->list[runs->count++] = *run;
    v->run_count++;
    return 0;
}

static int place_of(struct mover *v, struct part *part, struct place **out)
{
    if (!part->mover) {
        if (v->place_count == v->place_cap) {
            size_t cap = v->place_cap ? v->place_cap * 2 : 16;
            struct place *more = realloc(v->places, cap * sizeof(*more));

            if (!more)
                return nomem(v);
            v->places = more;
            v->place_cap = cap;
        }
        v->places[v->place_count] = (struct place){.rows = 0};
        part->mover = (uint32_t)++v->place_count;
    }
    *out = &v->places[part->mover - 1];
    return 0;
}

/* Where the rows of a chunk will go, before the writer takes it. */
static int note_rows(struct mover *v, duckdb_data_chunk from, duckdb_data_chunk chunk)
{
    const int64_t *files = duckdb_vector_get_data(duckdb_data_chunk_get_vector(from, v->address));
    const int64_t *rows =
        duckdb_vector_get_data(duckdb_data_chunk_get_vector(from, v->address + 1));
    idx_t count = duckdb_data_chunk_get_size(chunk);
    struct part *part = NULL;
    int rc = 0;

    for (idx_t i = 0; i < count && !rc; i++) {
        struct lake_row_run *last;
        struct place *place;

        rc = v->w->spec->field_count ? writer_row_part(v->w, chunk, i, v->values, &part, v->err)
                                     : writer_find_part(v->w, NULL, &part, v->err);
        rc = rc ? rc : place_of(v, part, &place);
        if (rc)
            return rc;
        last = place->runs.count ? &place->runs.list[place->runs.count - 1] : NULL;
        if (last && last->old_file == (uint32_t)files[i] && last->old_row + last->count == rows[i])
            last->count++;
        else
            rc = add_run(v, &place->runs,
                         &(struct lake_row_run){(uint32_t)files[i], 0, rows[i], place->rows, 1});
        place->rows++;
    }
    v->mapped = v->run_count < MAP_RUNS_MAX;
    return rc;
}

/* The next rows of the place are those of the file. */
static int note_file(struct mover *v, struct place *place, const struct lake_data_file *file,
                     uint32_t index)
{
    int64_t row = 0;
    int rc = 0;

    while (row < file->record_count && place->run < place->runs.count && !rc) {
        const struct lake_row_run *run = &place->runs.list[place->run];
        int64_t left = run->count - place->taken, want = file->record_count - row;
        int64_t count = left < want ? left : want;

        rc = add_run(
            v, &v->ways,
            &(struct lake_row_run){run->old_file, index, run->old_row + place->taken, row, count});
        row += count;
        place->taken += count;
        if (place->taken == run->count) {
            place->taken = 0;
            place->run++;
        }
    }
    if (!rc && row < file->record_count)
        rc = err_set(v->err, ERR_INTERNAL, "a moved file has rows that nobody moved");
    return rc;
}

static int note_files(struct mover *v, size_t first)
{
    int rc = 0;

    for (size_t i = first; i < v->file_count && !rc; i++) {
        struct part *part = NULL;
        struct place *place;

        rc = writer_find_part(v->w, v->files[i].partition, &part, v->err);
        rc = rc ? rc : place_of(v, part, &place);
        rc = rc ? rc : note_file(v, place, &v->files[i], (uint32_t)i);
    }
    for (size_t i = 0; i < v->place_count; i++) {
        v->run_count -= v->places[i].runs.count;
        v->places[i].runs.count = v->places[i].run = 0;
        v->places[i].rows = v->places[i].taken = 0;
    }
    return rc;
}

static int cut(struct mover *v)
{
    struct lake_data_file *files;
    size_t count, first = v->file_count, cap = v->file_cap ? v->file_cap : 16;
    int rc;

    v->mapped &= v->w->part_count <= WRITER_PARTS_MAX; /* else they are forgotten here */
    rc = lake_writer_cut(v->w, v->arena, &files, &count, v->err);
    if (rc)
        return rc;
    while (cap < first + count)
        cap *= 2;
    if (cap != v->file_cap) {
        struct lake_data_file *more = ARENA_ARRAY(v->arena, struct lake_data_file, cap);

        if (!more) {
            for (size_t i = 0; i < count; i++)
                lake_remove_files(v->w->lake, (const char *const *)&files[i].path, 1);
            return nomem(v);
        }
        if (first)
            memcpy(more, v->files, first * sizeof(*more));
        v->files = more;
        v->file_cap = cap;
    }
    if (count)
        memcpy(v->files + first, files, count * sizeof(*files));
    v->file_count += count;
    rc = v->mapped ? note_files(v, first) : 0;
    v->parts = v->w->part_count;
    return rc;
}

static int move_chunk(struct mover *v, duckdb_data_chunk from, bool together)
{
    duckdb_data_chunk chunk = vec_chunk_new(&v->columns);
    struct vec_batch batch = {0};
    int rc;

    if (!chunk)
        return nomem(v);
    for (idx_t i = 0; i < v->columns.count; i++)
        duckdb_vector_reference_vector(
            duckdb_data_chunk_get_vector(chunk, i),
            duckdb_data_chunk_get_vector(from, i < v->address ? i : i + 2));
    duckdb_data_chunk_set_size(chunk, duckdb_data_chunk_get_size(from));
    rc = v->mapped ? note_rows(v, from, chunk) : 0;
    if (rc || vec_batch_add(&batch, chunk)) {
        duckdb_destroy_data_chunk(&chunk);
        return rc ? rc : nomem(v);
    }
    rc = lake_writer_write(v->w, &batch, v->err);
    vec_batch_deinit(&batch);
    if (!rc && together && v->w->part_count - v->parts >= OPEN_MAX)
        rc = cut(v);
    return rc;
}

static int by_old_row(const void *a, const void *b)
{
    const struct lake_row_run *x = a, *y = b;

    if (x->old_file != y->old_file)
        return x->old_file < y->old_file ? -1 : 1;
    return x->old_row < y->old_row ? -1 : x->old_row > y->old_row;
}

static int finish_map(struct mover *v)
{
    struct lake_row_map *map = v->merge->map;
    size_t old = v->merge->file_count;
    struct lake_row_run *runs = ARENA_ARRAY(v->arena, struct lake_row_run, v->ways.count + 1);
    const char **paths = ARENA_ARRAY(v->arena, const char *, old + v->file_count + 1);

    if (!runs || !paths)
        return nomem(v);
    for (size_t i = 0; i < old; i++)
        paths[i] = v->merge->files[i].file.path;
    for (size_t i = 0; i < v->file_count; i++)
        paths[old + i] = v->files[i].path;
    if (v->ways.count)
        memcpy(runs, v->ways.list, v->ways.count * sizeof(*runs));
    qsort(runs, v->ways.count, sizeof(*runs), by_old_row);
    *map = (struct lake_row_map){.old_files = paths,
                                 .new_files = paths + old,
                                 .old_count = old,
                                 .new_count = v->file_count,
                                 .runs = runs,
                                 .run_count = v->ways.count};
    return 0;
}

static int mover_init(struct mover *v, struct lake *lake, struct vec_db *db,
                      struct lake_metadata *m, struct vec_result *result)
{
    struct lake_writer_options options = {.lake = lake,
                                          .db = db,
                                          .metadata = m,
                                          .lineage = m->format_version >= 3,
                                          .sorted = lake_sort_usable(m),
                                          .open_max = OPEN_MAX};
    int rc = rewriter_columns(vec_result_columns(result), lake_metadata_schema(m)->root.field_count,
                              v->arena, &v->columns, &v->address, v->err);

    options.columns = &v->columns;
    rc = rc ? rc : lake_writer_new(&v->w, &options, v->err);
    if (rc)
        return rc;
    v->w->rewrites = true;
    v->values = ARENA_ARRAY(v->arena, struct lake_value, v->w->spec->field_count + 1);
    return v->values ? 0 : nomem(v);
}

int rewriter_move(struct lake *lake, struct vec_db *db, struct lake_metadata *m,
                  const struct lake_merge *merge, struct vec_result *result, bool together,
                  struct arena *arena, struct lake_data_file **files, size_t *count,
                  struct err *err)
{
    struct mover v = {.merge = merge, .mapped = merge->map, .arena = arena, .err = err};
    duckdb_data_chunk from = NULL;
    int rc = mover_init(&v, lake, db, m, result);

    while (!rc && !(rc = vec_result_next(result, &from, err)) && from)
        rc = move_chunk(&v, from, together);
    rc = rc ? rc : cut(&v);
    if (!rc && v.mapped)
        rc = finish_map(&v);
    *files = v.files;
    *count = v.file_count;
    for (size_t i = 0; i < v.place_count; i++)
        free(v.places[i].runs.list);
    free(v.places);
    free(v.ways.list);
    lake_writer_free(v.w);
    return rc;
}
