/* rows.c - small tables from the instance to the terminal. */
#include "cli/rows.h"

#include <stdio.h>

#include "cli/cli_int.h"

int rows_head(struct control_reply *reply, json_t *columns, struct err *err)
{
    return control_send(reply, json_pack("{s:o}", "columns", columns), err);
}

int rows_add(struct control_reply *reply, json_t *row, struct err *err)
{
    return control_send(reply, json_pack("{s:o}", "row", row), err);
}

/* ---- the other end ---- */

#define CELL_MAX 1000 /* bytes of a cell that are shown */

struct rows {
    json_t *columns, *list;
    int said;
    bool json;
};

static int keep(void *arg, const json_t *answer, struct err *err)
{
    struct rows *rows = arg;
    json_t *columns = json_object_get(answer, "columns"), *row = json_object_get(answer, "row");
    const char *text = json_string_value(json_object_get(answer, "text"));
    const char *note = json_string_value(json_object_get(answer, "note")); /* for people alone */

    if (columns && !rows->columns)
        rows->columns = json_incref(columns);
    if (note && !rows->json)
        printf("%s\n", note);
    if (text) {
        printf("%s\n", text);
        rows->said++;
    }
    return row && json_array_append(rows->list, row) ? err_set(err, ERR_NOMEM, "rows") : 0;
}

/* Texts are shown on one line and without escapes; --json has them whole. */
static const char *cell(const json_t *value, char out[CELL_MAX])
{
    if (json_is_string(value)) {
        snprintf(out, CELL_MAX, "%s", json_string_value(value));
        for (char *p = out; *p; p++)
            if ((unsigned char)*p < 0x20 || *p == 0x7f)
                *p = ' ';
    } else if (json_is_integer(value))
        snprintf(out, CELL_MAX, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(out, CELL_MAX, "%.6g", json_real_value(value));
    else
        snprintf(out, CELL_MAX, "%s",
                 json_is_true(value)    ? "yes"
                 : json_is_false(value) ? "no"
                                        : "-");
    return out;
}

/* Characters, not bytes: UTF-8's continuation bytes take no room. */
static int width_of(const char *text)
{
    int width = 0;

    for (; *text; text++)
        width += (*text & 0xc0) != 0x80;
    return width;
}

static void print_cell(const char *text, int width, bool right, bool last)
{
    int pad = width - width_of(text);

    printf("%*s%s%*s", right && pad > 0 ? pad : 0, "", text, !right && !last && pad > 0 ? pad : 0,
           "");
    fputs(last ? "\n" : "  ", stdout);
}

static void print_aligned(const struct rows *rows)
{
    size_t columns = json_array_size(rows->columns), count = json_array_size(rows->list);
    char text[CELL_MAX];

    for (size_t r = 0; r <= count; r++) {
        const json_t *row = r ? json_array_get(rows->list, r - 1) : rows->columns;

        for (size_t c = 0; c < columns; c++) {
            bool number = count && json_is_number(json_array_get(json_array_get(rows->list, 0), c));
            int width = width_of(cell(json_array_get(rows->columns, c), text));

            for (size_t i = 0; i < count; i++) {
                int w = width_of(cell(json_array_get(json_array_get(rows->list, i), c), text));

                width = w > width ? w : width;
            }
            print_cell(cell(json_array_get(row, c), text), width, number, c + 1 == columns);
        }
    }
}

static int print_json(const struct rows *rows)
{
    json_t *all = json_array();
    struct buf out = {0};
    int rc = all ? 0 : ERR_NOMEM;

    for (size_t r = 0; !rc && r < json_array_size(rows->list); r++) {
        json_t *one = json_object();

        for (size_t c = 0; c < json_array_size(rows->columns); c++)
            json_object_set(one, json_string_value(json_array_get(rows->columns, c)),
                            json_array_get(json_array_get(rows->list, r), c));
        rc = json_array_append_new(all, one) ? ERR_NOMEM : 0;
    }
    rc = rc ? rc : json_print(all, 2, &out, NULL);
    if (!rc)
        printf(SLICE_FMT "\n", SLICE_ARG(buf_slice(&out)));
    buf_deinit(&out);
    json_decref(all);
    return rc;
}

int rows_ask(const char *data_path, const json_t *request, bool json)
{
    struct rows rows = {.list = json_array(), .json = json};
    struct err err = {0};
    int code = CLI_OK, rc = request && rows.list
                                ? control_call(data_path, request, keep, &rows, &err)
                                : err_set(&err, ERR_NOMEM, "out of memory");

    if (rc && !json && json_array_size(rows.list)) /* what was done before it failed */
        print_aligned(&rows);
    if (rc)
        code = cli_fail(rc == ERR_CLOSED ? CLI_NOT_RUNNING : CLI_FAILED, "%s", err.text);
    else if (json)
        code = print_json(&rows) ? cli_fail(CLI_FAILED, "out of memory") : CLI_OK;
    else if (rows.columns)
        print_aligned(&rows);
    json_decref(rows.columns);
    json_decref(rows.list);
    return code;
}
