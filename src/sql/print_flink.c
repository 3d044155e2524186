/* print_flink.c - the syntax tree as Flink's text, which parses to the same tree: the ways in, and
 * the small pieces that all parts are made of.
 */
#include <stdio.h>

#include "sql/print_flink.h"

/* ---- the small pieces ------------------------------------------------------------------------ */

void flink_put(struct flink *f, const char *text)
{
    if (!f->rc)
        f->rc = buf_append_str(f->out, text);
}

void flink_fmt(struct flink *f, const char *fmt, ...)
{
    char text[200];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    flink_put(f, text);
}

/* A zero byte cannot stand in '...': U&'...' with \0000. */
void flink_string(struct flink *f, const char *text, size_t len)
{
    bool zero = memchr(text, 0, len) != NULL;

    flink_put(f, zero ? "U&'" : "'");
    for (size_t i = 0; i < len; i++) {
        if (text[i] == 0)
            flink_put(f, "\\0000");
        else if (text[i] == '\'' || (zero && text[i] == '\\'))
            flink_fmt(f, "%c%c", text[i], text[i]);
        else if (!f->rc)
            f->rc = buf_append_u8(f->out, (uint8_t)text[i]);
    }
    flink_put(f, "'");
}

void flink_text(struct flink *f, const char *text)
{
    flink_string(f, text, strlen(text));
}

static bool is_plain(const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
              (i && c >= '0' && c <= '9')))
            return false;
    }
    return !keyword_reserved(keyword_of(text, len));
}

void flink_ident(struct flink *f, const struct sql_ident *ident)
{
    if (!ident->quoted && is_plain(ident->text)) {
        flink_put(f, ident->text);
        return;
    }
    flink_put(f, "`");
    for (const char *c = ident->text; *c; c++) {
        flink_put(f, *c == '`' ? "`" : "");
        if (!f->rc)
            f->rc = buf_append_u8(f->out, (uint8_t)*c);
    }
    flink_put(f, "`");
}

void flink_name(struct flink *f, const struct sql_name *name)
{
    for (size_t i = 0; i < name->count; i++) {
        flink_put(f, i ? "." : "");
        flink_ident(f, &name->parts[i]);
    }
}

void flink_idents(struct flink *f, const struct sql_ident *list, size_t count)
{
    flink_put(f, "(");
    for (size_t i = 0; i < count; i++) {
        flink_put(f, i ? ", " : "");
        flink_ident(f, &list[i]);
    }
    flink_put(f, ")");
}

void flink_type(struct flink *f, const struct sql_type *type)
{
    if (!f->rc)
        f->rc = sql_type_print(type, f->out);
}

void flink_options(struct flink *f, const struct sql_options *options)
{
    flink_put(f, "(");
    for (size_t i = 0; i < options->count; i++) {
        flink_put(f, i ? ", " : "");
        flink_text(f, options->list[i].key);
        if (!options->list[i].value)
            continue;
        flink_put(f, " = ");
        flink_text(f, options->list[i].value);
    }
    flink_put(f, ")");
}

void flink_hints(struct flink *f, const struct sql_hints *hints)
{
    for (size_t i = 0; i < hints->count; i++) {
        const struct sql_hint *hint = &hints->list[i];

        flink_put(f, i ? ", " : " /*+ ");
        flink_ident(f, &hint->name);
        if (hint->options.count) {
            flink_options(f, &hint->options);
        } else if (hint->args.count) {
            flink_put(f, "(");
            flink_exprs(f, &hint->args, ", ");
            flink_put(f, ")");
        }
    }
    flink_put(f, hints->count ? " */" : "");
}

void flink_partition(struct flink *f, const struct sql_partition *partition)
{
    flink_put(f, "PARTITION (");
    for (size_t i = 0; i < partition->count; i++) {
        flink_put(f, i ? ", " : "");
        flink_ident(f, &partition->columns[i]);
        if (partition->values[i]) {
            flink_put(f, " = ");
            flink_expr(f, partition->values[i]);
        }
    }
    flink_put(f, ")");
}

void flink_if(struct flink *f, bool condition, const char *text)
{
    if (condition)
        flink_put(f, text);
}

void flink_comment(struct flink *f, const char *comment)
{
    if (comment) {
        flink_put(f, " COMMENT ");
        flink_text(f, comment);
    }
}

void flink_with(struct flink *f, const struct sql_options *options)
{
    if (options->count) {
        flink_put(f, " WITH ");
        flink_options(f, options);
    }
}

/* ---- the ways in ----------------------------------------------------------------------------- */

static struct flink printer(const struct sql_print_options *options, struct buf *out)
{
    return (struct flink){.out = out, .parentheses = options && options->parentheses};
}

static int finish(const struct flink *f, struct err *err)
{
    return f->rc ? err_set(err, f->rc, "out of memory while printing SQL") : 0;
}

int sql_print_flink(const struct sql_statement *statement, const struct sql_print_options *options,
                    struct buf *out, struct err *err)
{
    struct flink f = printer(options, out);

    flink_statement(&f, statement);
    return finish(&f, err);
}

int sql_print_flink_query(const struct sql_query *query, const struct sql_print_options *options,
                          struct buf *out, struct err *err)
{
    struct flink f = printer(options, out);

    flink_query(&f, query);
    return finish(&f, err);
}

int sql_print_flink_expr(const struct sql_expr *expr, const struct sql_print_options *options,
                         struct buf *out, struct err *err)
{
    struct flink f = printer(options, out);

    flink_expr_at(&f, expr, 0);
    return finish(&f, err);
}

int sql_print_name(const struct sql_name *name, struct buf *out)
{
    struct flink f = printer(NULL, out);

    flink_name(&f, name);
    return f.rc;
}
