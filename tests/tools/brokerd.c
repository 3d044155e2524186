/* brokerd.c - the metadata store and the broker alone, for trying clients and for measuring.
 *
 *   brokerd DIR PORT [name=value ...]    fsync=batch|interval|never partitions=N threads=N
 *                                        auto=0|1 fd=0|1
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "kafka/kafka.h"

static const char *option(int argc, char **argv, const char *name, const char *fallback)
{
    size_t len = strlen(name);

    for (int i = 3; i < argc; i++)
        if (!strncmp(argv[i], name, len) && argv[i][len] == '=')
            return argv[i] + len + 1;
    return fallback;
}

static enum broker_fsync fsync_of(const char *word)
{
    return !strcmp(word, "never") ? FSYNC_NEVER
                                  : (!strcmp(word, "interval") ? FSYNC_INTERVAL : FSYNC_BATCH);
}

int main(int argc, char **argv)
{
    static const struct meta_migration *const migrations[] = {broker_migrations, NULL};
    struct broker_listener listeners[2] = {
        {.address = "127.0.0.1"}, {.address = "127.0.0.1", .advertised_host = "localhost"}};
    struct broker *broker = NULL;
    struct workers *workers = NULL;
    struct meta *meta = NULL;
    char meta_path[512], log_path[512];
    struct err err = {0};
    sigset_t signals;
    int got, rc;

    if (argc < 3) {
        fprintf(stderr, "usage: brokerd DIR PORT [name=value ...]\n");
        return 2;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    listeners[0].port = atoi(argv[2]);
    listeners[1].port = listeners[0].port ? listeners[0].port + 1 : 0;
    snprintf(meta_path, sizeof(meta_path), "%s/meta.db", argv[1]);
    snprintf(log_path, sizeof(log_path), "%s/log", argv[1]);
    rc = disk_mkdirs(disk_system(), argv[1], &err);
    if (!rc)
        rc = workers_new(&workers, "work", 4, 1024, &err);
    if (!rc)
        rc = meta_new(&meta,
                      &(struct meta_options){.path = meta_path,
                                             .disk = disk_system(),
                                             .clock = clock_system(),
                                             .migrations = migrations},
                      &err);
    if (!rc)
        rc = broker_new(&broker,
                        &(struct broker_options){
                            .meta = meta,
                            .disk = disk_system(),
                            .clock = clock_system(),
                            .workers = workers,
                            .dir = log_path,
                            .listeners = listeners,
                            .listener_count = 2,
                            .threads = atoi(option(argc, argv, "threads", "1")),
                            .auto_create = atoi(option(argc, argv, "auto", "1")),
                            .default_partitions = atoi(option(argc, argv, "partitions", "1")),
                            .fsync = fsync_of(option(argc, argv, "fsync", "batch"))},
                        &err);
    if (!rc)
        rc = broker_start(broker, &err);
    if (rc) {
        fprintf(stderr, "brokerd: %s\n", err.text);
    } else {
        printf("listening on %d and %d\n", broker_port(broker, 0), broker_port(broker, 1));
        fflush(stdout);
        sigwait(&signals, &got);
        broker_stop(broker);
    }
    broker_free(broker);
    meta_free(meta);
    workers_free(workers);
    return rc ? 1 : 0;
}
