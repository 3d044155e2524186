/* xml_fuzz.c - the XML reader on any bytes; what it reads, written again, reads the same. */
#include "net/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {.max_bytes = 64 << 20}, again = {0};
    const char *path, *text, *back;
    struct err err = {0};
    struct xml xml, echo;
    struct buf out = {0};
    int rc;

    xml_init(&xml, &arena, slice_of(data, size));
    while (xml_next(&xml, &path, &text, &rc, &err)) {
        assert(path[0] && strlen(path) < XML_PATH_MAX);
        buf_clear(&out);
        assert(xml_element(&out, "t", text) == 0);
        xml_init(&echo, &again, buf_slice(&out));
        if (xml_next(&echo, &path, &back, &rc, NULL))
            assert(strcmp(back, text) == 0);
        else
            assert(rc == ERR_LIMIT); /* escapes are longer than what they stand for */
        xml_deinit(&echo);
        arena_reset(&again);
    }
    assert(rc == 0 || err.text[0]);
    xml_deinit(&xml);
    buf_deinit(&out);
    arena_deinit(&again);
    arena_deinit(&arena);
    return 0;
}
