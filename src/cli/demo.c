/* demo.c - the project's own queries with their answers, for `tarn up --demo`. */
#include "cli/demo.h"

#include <stdio.h>
#include <unistd.h>

#include "base/term.h"
#include "query/query.h"
#include "sql/sql.h"

static int print_text(void *arg, struct slice text)
{
    (void)arg;
    return fwrite(text.ptr, 1, text.len, stdout) == text.len ? 0 : ERR_CLOSED;
}

/* The statement as written, its comments above it in a quieter tone, then the answer. */
static int run_script(struct query_session *session, struct slice text, struct err *err)
{
    struct query_out out = {.write = print_text, .format = QUERY_TABLE,
                            .width = isatty(STDOUT_FILENO) ? term_width(STDOUT_FILENO) : 0};
    size_t len;
    int rc = 0;

    while (!rc && (len = sql_statement_len(text)) > 0) {
        printf("%s" SLICE_FMT "%s\n", term_style(STDOUT_FILENO, TERM_DIM),
               SLICE_ARG(slice_of(text.ptr, len)), term_style(STDOUT_FILENO, TERM_PLAIN));
        rc = query_run(session, slice_of(text.ptr, len), &out, err);
        text = slice_of(text.ptr + len, text.len - len);
    }
    putchar('\n');
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct disk_entry *)a)->name, ((const struct disk_entry *)b)->name);
}

static int run_folder(struct instance *in, struct query_session *session, const char *dir,
                      struct err *err)
{
    struct arena arena = {0};
    struct disk_entry *entries = NULL;
    size_t count = 0;
    int rc = disk_list(in->disk, dir, &arena, &entries, &count, err);

    qsort(entries, count, sizeof(*entries), by_name);
    for (size_t i = 0; i < count && !rc; i++) {
        struct buf text = {.max = SQL_TEXT_MAX};
        const char *path = arena_printf(&arena, "%s/%s", dir, entries[i].name);

        if (!slice_ends(slice_str(entries[i].name), SLICE_LIT(".sql")))
            continue;
        rc = path ? 0 : err_set(err, ERR_NOMEM, "%s", dir);
        if (!rc)
            rc = disk_read_file(in->disk, path, &text, err);
        if (!rc)
            rc = run_script(session, buf_slice(&text), err);
        buf_deinit(&text);
        if (rc)
            err_wrap(err, rc, "%s", path);
    }
    arena_deinit(&arena);
    return rc;
}

int demo_show(struct instance *in, struct err *err)
{
    struct query_session *session = NULL;
    char dir[4200];
    int rc;

    snprintf(dir, sizeof(dir), "%s/queries", in->config->dir);
    if (!disk_exists(in->disk, dir))
        return err_set(err, ERR_NOENT, "%s: no queries to show", dir);
    rc = instance_session(in, &session, err);
    if (!rc)
        rc = run_folder(in, session, dir, err);
    query_session_free(session);
    fflush(stdout);
    return rc;
}
