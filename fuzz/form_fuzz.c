/* form_fuzz.c - multipart/form-data of any bytes: whole and in two pieces it reads the same. */
#include "net/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_part(void *arg, const char *name, const char *filename)
{
    return buf_printf(arg, "<%s|%s>", name, filename ? filename : "-");
}

static int on_data(void *arg, struct slice bytes)
{
    return buf_append_slice(arg, bytes);
}

static int on_end(void *arg)
{
    return buf_append_str(arg, ";");
}

static const struct form_events events = {on_part, on_data, on_end};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char type[] = "multipart/form-data; boundary=b";
    struct buf whole = {0}, halves = {0};
    size_t cut = size > 1 ? data[0] % size : 0;
    struct form form;
    int rc, again;

    assert(form_init(&form, type, &events, &whole) == 0);
    rc = form_feed(&form, slice_of(data, size));
    assert(form_init(&form, type, &events, &halves) == 0);
    again = form_feed(&form, slice_of(data, cut));
    if (!again)
        again = form_feed(&form, slice_of(data + cut, size - cut));
    assert(rc == again && slice_eq(buf_slice(&whole), buf_slice(&halves)));
    assert(whole.len <= 2 * size + 8);
    buf_deinit(&whole);
    buf_deinit(&halves);
    return 0;
}
