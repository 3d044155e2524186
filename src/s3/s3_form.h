/* s3_form.h - what the files of uploads by HTML form (PostObject) share.
 *
 * "Browser-Based Uploads Using POST (AWS Signature Version 4)": a form's fields say what a put says
 * in headers; a policy that the owner signed says what the fields may be.
 */
#ifndef S3_S3_FORM_H
#define S3_S3_FORM_H

#include "net/form.h"
#include "s3/s3_int.h"

#define S3_FORM_FIELDS 100
#define S3_FORM_TEXT   20000 /* bytes of all fields before the file, as AWS counts them */

struct s3_form {
    struct form form;
    struct http_field fields[S3_FORM_FIELDS]; /* names in lower case, in the arena */
    size_t field_count;
    char text[S3_FORM_TEXT]; /* of the field that comes in now, behind those that came */
    size_t text_len, text_begin;
    const char *filename; /* of the file, in the arena; NULL: none was told */
    bool in_file, has_file;
    int64_t min_bytes, max_bytes; /* content-length-range; -1: no such condition */
};

/* NULL: no such field. */
const char *s3_form_field(const struct s3_form *form, const char *name);
/* Is the signed policy's text in `base64` one that takes these fields now? Answers itself. */
int s3_form_policy(struct s3_call *call, struct s3_form *form, const char *base64);

#endif
