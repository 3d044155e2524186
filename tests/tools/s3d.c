/* s3d.c - the local store with its S3 face and nothing else, for trying clients and for tests.
 *
 *     s3d DIR PORT ACCESS_KEY SECRET_KEY [BUCKET...]
 *
 * Prints "listening on PORT" (port 0 picks one), runs until SIGTERM or SIGINT.
 */
#include <signal.h>
#include <stdio.h>

#include "s3/s3.h"

int main(int argc, char **argv)
{
    struct store_local_options local = {.disk = disk_system(), .clock = clock_system()};
    struct s3_options options = {.clock = clock_system(), .credential_count = 1};
    struct s3_credential credential;
    struct s3_server *server = NULL;
    struct store *store = NULL;
    struct err err = {0};
    sigset_t signals;
    int64_t port;
    int caught, rc;

    if (argc < 5 || slice_to_i64(slice_str(argv[2]), &port)) {
        fprintf(stderr, "usage: s3d DIR PORT ACCESS_KEY SECRET_KEY [BUCKET...]\n");
        return 2;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    local.dir = argv[1];
    credential = (struct s3_credential){argv[3], argv[4]};
    options.credentials = &credential;
    options.port = (int)port;
    rc = store_local_new(&store, &local, &err);
    for (int i = 5; i < argc && !rc; i++) {
        rc = store->ops->bucket_make(store, argv[i], &err);
        rc = rc == ERR_EXISTS ? 0 : rc;
    }
    options.store = store;
    if (!rc)
        rc = s3_server_new(&server, &options, &err);
    if (rc) {
        fprintf(stderr, "s3d: %s\n", err.text);
    } else {
        printf("listening on %d\n", s3_server_port(server));
        fflush(stdout);
        sigwait(&signals, &caught);
    }
    s3_server_free(server);
    store_free(store);
    return rc ? 1 : 0;
}
