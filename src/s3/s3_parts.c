/* s3_parts.c - where the parts of a joined object begin, for GET ?partNumber, by which the AWS SDKs
 * fetch large objects in the pieces they were sent in.
 *
 * The sizes are kept in the object's metadata under "part-sizes", run-length coded
 * ("8388608x3,17x1"): clients cut into equal parts, so a few characters do. An upload whose parts
 * vary so much that the text grows long keeps none and then counts as one part.
 */
#include <stdio.h>

#include "s3/s3_int.h"

#define TEXT_MAX 1000

const char *s3_part_sizes(struct arena *arena, const int64_t *sizes, size_t count)
{
    struct buf text = {.max = TEXT_MAX};
    const char *out = NULL;
    int rc = 0;

    for (size_t i = 0, same; i < count && !rc; i += same) {
        for (same = 1; i + same < count && sizes[i + same] == sizes[i]; same++)
            ;
        rc = buf_printf(&text, "%s%" PRId64 "x%zu", i ? "," : "", sizes[i], same);
    }
    if (!rc)
        out = arena_cstr(arena, buf_slice(&text));
    buf_deinit(&text);
    return out;
}

int s3_part_find(const char *sizes, int64_t number, int64_t *pos, int64_t *len, int64_t *count)
{
    int rc = ERR_RANGE;

    *count = 0;
    *pos = 0;
    while (*sizes) {
        int64_t size, same;
        int end = 0;

        if (sscanf(sizes, "%" SCNd64 "x%" SCNd64 "%n", &size, &same, &end) != 2 || size < 0 ||
            same < 1 || same > S3_PARTS_MAX || size > INT64_MAX / S3_PARTS_MAX / 2)
            return ERR_CORRUPT;
        if (rc && number <= *count + same) {
            *pos += (number - *count - 1) * size;
            *len = size;
            rc = 0;
        } else if (rc) {
            *pos += same * size;
        }
        *count += same;
        sizes += end;
        sizes += *sizes == ',';
    }
    return rc;
}
