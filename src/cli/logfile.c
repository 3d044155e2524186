/* logfile.c - the sink of diag(): a file that is renewed at a size, stderr, the last warnings. */
#include "cli/logfile.h"

#include <pthread.h>
#include <stdio.h>

struct logfile {
    struct disk *disk;
    char *path;
    struct file *file;
    int64_t pos, file_bytes;
    int files;
    bool to_stderr;
    pthread_mutex_t mutex; /* guards recent: read by the screen */
    char recent[LOGFILE_RECENT][256];
    int recent_count;
};

static int open_file(struct logfile *l, struct err *err)
{
    int rc = disk_open(l->disk, &l->file, l->path, DISK_WRITE | DISK_CREATE, err);

    return rc ? rc : file_size(l->file, &l->pos, err);
}

/* tarn.log becomes tarn.log.1, that becomes .2, and so on; the oldest is replaced. */
static void renew(struct logfile *l)
{
    char from[4200], to[4200];

    file_close(l->file);
    l->file = NULL;
    for (int i = l->files - 1; i >= 1; i--) {
        if (i > 1)
            snprintf(from, sizeof(from), "%s.%d", l->path, i - 1);
        else
            snprintf(from, sizeof(from), "%s", l->path);
        snprintf(to, sizeof(to), "%s.%d", l->path, i);
        if (disk_exists(l->disk, from))
            disk_rename(l->disk, from, to, NULL);
    }
    if (l->files == 1)
        disk_unlink(l->disk, l->path, NULL);
    open_file(l, NULL);
}

static void remember(struct logfile *l, const char *line)
{
    pthread_mutex_lock(&l->mutex);
    if (l->recent_count == LOGFILE_RECENT)
        memmove(l->recent[0], l->recent[1], sizeof(l->recent[0]) * (LOGFILE_RECENT - 1));
    else
        l->recent_count++;
    snprintf(l->recent[l->recent_count - 1], sizeof(l->recent[0]), "%.*s",
             (int)strcspn(line, "\n"), line);
    pthread_mutex_unlock(&l->mutex);
}

static void write_line(void *arg, enum diag_level level, const char *part, const char *line)
{
    struct logfile *l = arg;
    size_t len = strlen(line);

    (void)part;
    if (l->to_stderr)
        fputs(line, stderr);
    if (level >= DIAG_WARN)
        remember(l, line);
    if (l->pos >= l->file_bytes)
        renew(l);
    /* A full disk must not stop the program: the line is lost here and still on stderr. */
    if (l->file && !file_pwrite(l->file, line, len, l->pos, NULL))
        l->pos += (int64_t)len;
}

int logfile_new(struct logfile **out, const struct logfile_options *options, struct err *err)
{
    struct logfile *l = calloc(1, sizeof(*l));
    char dir[4096];
    int rc;

    if (!l)
        return err_set(err, ERR_NOMEM, "log file");
    pthread_mutex_init(&l->mutex, NULL);
    l->disk = options->disk;
    l->file_bytes = options->file_bytes;
    l->files = options->files;
    l->to_stderr = options->to_stderr;
    snprintf(dir, sizeof(dir), "%s/logs", options->data_path);
    rc = disk_mkdirs(l->disk, dir, err);
    if (!rc && asprintf(&l->path, "%s/tarn.log", dir) < 0)
        rc = err_set(err, ERR_NOMEM, "log file");
    if (!rc)
        rc = open_file(l, err);
    if (rc) {
        logfile_free(l);
        return rc;
    }
    diag_set_sink(write_line, l);
    *out = l;
    return 0;
}

void logfile_free(struct logfile *l)
{
    if (!l)
        return;
    if (l->file)
        diag_set_sink(NULL, NULL);
    file_close(l->file);
    pthread_mutex_destroy(&l->mutex);
    free(l->path);
    free(l);
}

int logfile_recent(struct logfile *l, char out[LOGFILE_RECENT][256])
{
    int count;

    pthread_mutex_lock(&l->mutex);
    count = l->recent_count;
    memcpy(out, l->recent, sizeof(l->recent));
    pthread_mutex_unlock(&l->mutex);
    return count;
}
