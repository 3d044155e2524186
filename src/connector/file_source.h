/* file_source.h - 'filesystem' tables as sources: csv, json and raw line by line, parquet.
 *
 * All files there are are read, in order of their names, and the job ends; with
 * 'source.monitor-interval' the folder is looked at again and again and new files follow. A file is
 * read once, by its name: what is written to it later is not seen, as in Flink. The place is the
 * file under way, where in it, and which files are done.
 * Source: Flink 1.20, "FileSystem SQL Connector".
 */
#ifndef CONNECTOR_FILE_SOURCE_H
#define CONNECTOR_FILE_SOURCE_H

#include "connector/factory.h"

int file_source_new(const struct source_request *request, struct stream_source **out,
                    struct err *err);

#endif
