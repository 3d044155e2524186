/* file_avro.h - Avro container files, read a record at a time as the JSON of each, and written.
 *
 * Reading goes by the schema that the file has, so that files of other writers, and of tables
 * before they got a column, give what they hold by name. A block is in memory, never the file.
 */
#ifndef CONNECTOR_FILE_AVRO_H
#define CONNECTOR_FILE_AVRO_H

#include "base/base.h"

struct file_avro;
/* `file` is borrowed. Skips `from` records. */
int file_avro_open(struct file_avro **out, struct file *file, int64_t from, struct err *err);
void file_avro_close(struct file_avro *avro); /* NULL is fine */
/* 1: the next record as JSON, until the next call; 0: the end. ERR_CORRUPT. */
int file_avro_next(struct file_avro *avro, struct slice *json, struct err *err);

/* 'avro.codec' of a table; NULL: Flink's default, snappy. ERR_UNSUPPORTED. */
int file_avro_codec(const char *option, const char **codec, struct err *err);
/* Appends a block of `records`, behind the file's beginning when it is the first. */
int file_avro_block(struct buf *out, bool first, struct slice schema, const char *codec,
                    struct slice records, int64_t count, struct err *err);

#endif
