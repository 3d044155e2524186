/* catalogd.c - the catalog by itself, with the object store's face beside it: for trying real
 * clients by hand and in tests, without the rest of the program.
 *
 *     catalogd --data DIR [--port 8181] [--s3-port 9000] [--login]
 */
#include <signal.h>
#include <stdio.h>

#include "catalog/http.h"
#include "s3/s3.h"

struct settings {
    const char *data, *port, *s3_port;
    bool login;
};

static int read_args(int argc, char **argv, struct settings *out)
{
    *out = (struct settings){.port = "8181", .s3_port = "9000"};
    for (int i = 1; i < argc; i++) {
        const char **value = strcmp(argv[i], "--data") == 0      ? &out->data
                             : strcmp(argv[i], "--port") == 0    ? &out->port
                             : strcmp(argv[i], "--s3-port") == 0 ? &out->s3_port
                                                                 : NULL;

        if (strcmp(argv[i], "--login") == 0)
            out->login = true;
        else if (value && i + 1 < argc)
            *value = argv[++i];
        else
            return ERR_INVALID;
    }
    return out->data ? 0 : ERR_INVALID;
}

struct parts {
    struct meta *meta;
    struct store *store;
    struct lake *lake;
    struct catalog *catalog;
    struct catalog_http *http;
    struct s3_server *s3;
};

static int open_stores(struct parts *p, const struct settings *settings, struct err *err)
{
    static const struct meta_migration *const migrations[] = {catalog_migrations, NULL};
    char path[400];
    int rc = disk_mkdirs(disk_system(), settings->data, err);

    if (!rc) {
        snprintf(path, sizeof(path), "%s/meta.db", settings->data);
        rc = meta_new(&p->meta,
                      &(struct meta_options){.path = path,
                                             .disk = disk_system(),
                                             .clock = clock_system(),
                                             .migrations = migrations},
                      err);
    }
    if (!rc) {
        snprintf(path, sizeof(path), "%s/store", settings->data);
        rc = store_local_new(&p->store,
                             &(struct store_local_options){
                                 .dir = path, .disk = disk_system(), .clock = clock_system()},
                             err);
    }
    if (!rc)
        rc = lake_new(&p->lake, &(struct lake_options){.store = p->store, .clock = clock_system()},
                      err);
    return rc;
}

static int open_catalog(struct parts *p, const struct settings *settings, struct err *err)
{
    static const struct s3_credential key = {"admin", "password"};
    char endpoint[64];
    int rc = catalog_new(&p->catalog,
                         &(struct catalog_options){.meta = p->meta,
                                                   .lake = p->lake,
                                                   .clock = clock_system(),
                                                   .name = "polariscatalog",
                                                   .warehouse = "s3://warehouse/polariscatalog"},
                         err);

    snprintf(endpoint, sizeof(endpoint), "http://{host}:%.5s", settings->s3_port);
    if (!rc)
        rc = catalog_http_new(&p->http,
                              &(struct catalog_http_options){.catalog = p->catalog,
                                                             .clock = clock_system(),
                                                             .address = "127.0.0.1",
                                                             .port = atoi(settings->port),
                                                             .client_id = "root",
                                                             .client_secret = "secret",
                                                             .login = settings->login,
                                                             .s3_endpoint = endpoint,
                                                             .s3_region = "us-east-1",
                                                             .s3_access_key = "admin",
                                                             .s3_secret_key = "password"},
                              err);
    if (!rc)
        rc = s3_server_new(&p->s3,
                           &(struct s3_options){.store = p->store,
                                                .clock = clock_system(),
                                                .port = atoi(settings->s3_port),
                                                .credentials = &key,
                                                .credential_count = 1},
                           err);
    return rc;
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct parts p = {0};
    struct err err = {0};
    sigset_t set;
    int rc, signal_number;

    if (read_args(argc, argv, &settings)) {
        fprintf(stderr, "usage: catalogd --data DIR [--port 8181] [--s3-port 9000] [--login]\n");
        return 2;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    rc = open_stores(&p, &settings, &err);
    if (!rc)
        rc = open_catalog(&p, &settings, &err);
    if (rc) {
        fprintf(stderr, "catalogd: %s\n", err.text);
    } else {
        printf("catalog on port %d, objects on port %d\n", catalog_http_port(p.http),
               s3_server_port(p.s3));
        fflush(stdout);
        sigwait(&set, &signal_number);
    }
    s3_server_free(p.s3);
    catalog_http_free(p.http);
    catalog_free(p.catalog);
    lake_free(p.lake);
    store_free(p.store);
    meta_free(p.meta);
    return rc ? 1 : 0;
}
