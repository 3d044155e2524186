/* fsck.h - proves that a table can be read: every ref, every snapshot, every file behind them.
 *
 * Walks the newest metadata file, the metadata log, all snapshots, their manifest lists, manifests,
 * data and delete files, and the statistics, and reports each thing that is not as it is recorded:
 *   - a file is not there, or is of another length;
 *   - a line of a manifest list counts other files or rows than its manifest has;
 *   - sequence numbers that contradict each other, snapshots without their schema or spec;
 *   - a data file named twice by one snapshot: its rows would be read twice;
 *   - a Parquet footer that does not read, or holds another number of rows;
 *   - position deletes out of their file's range; two deletion vectors for one file; a vector whose
 *     checksum, count or place does not hold; equality deletes by a column nobody knows.
 * What is no damage is a note: files below the table's folder that nobody names, deletes of files
 * that are gone, metadata files of the log that were removed.
 * It only reads. A writer at work beside it is no trouble: what one metadata file names is fixed.
 * Threads: worker.
 */
#ifndef LAKE_FSCK_H
#define LAKE_FSCK_H

#include "lake/lake.h"

struct lake_fsck_options {
    struct vec_db *db;  /* opens Parquet files; NULL: their insides are not looked at */
    int64_t young_ms;   /* unreferenced files younger than this are a writer's: not mentioned */
    /* Each finding as it is found; `damage` false: a note. A code other than 0 ends the walk. */
    int (*say)(void *arg, bool damage, const char *file, const char *text, struct err *err);
    void *arg;
};
struct lake_fsck {
    int64_t refs, snapshots, manifest_lists, manifests;
    int64_t data_files, delete_files, vectors;
    int64_t rows, bytes;              /* of the data files, each counted once */
    int64_t damages, notes;
    int64_t unreferenced, unreferenced_bytes;
};
/* 0 whatever was found: `out->damages` tells. Other codes: the walk itself could not go on. */
int lake_fsck(struct lake *lake, const char *metadata_location,
              const struct lake_fsck_options *options, struct lake_fsck *out, struct err *err);

#endif
