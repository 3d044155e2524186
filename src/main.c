/* main.c - the table of contents: which rooms an instance has, and what each is given. */
#include "cli/cli.h"
#include "cli/instance.h"

static const char *path_in(struct instance *in, const char *name)
{
    return arena_printf(&in->config->arena, "%s/%s", in->data_path, name);
}

static int start_workers(struct instance *in, struct err *err)
{
    return workers_new(&in->workers, "work", 2, 4096, err);
}

static void stop_workers(struct instance *in)
{
    workers_free(in->workers);
}

static int start_meta(struct instance *in, struct err *err)
{
    static const struct meta_migration *const migrations[] = {NULL};

    return meta_new(&in->meta,
                    &(struct meta_options){.path = path_in(in, "meta.db"), .disk = in->disk,
                                           .clock = in->clock, .migrations = migrations},
                    err);
}

static void stop_meta(struct instance *in)
{
    meta_free(in->meta);
}

static int start_store(struct instance *in, struct err *err)
{
    const struct config *c = in->config;

    if (c->store.engine == 1)
        return err_set(err, ERR_UNSUPPORTED, "store: engine: s3 is not built in yet");
    return store_local_new(&in->store,
                           &(struct store_local_options){.dir = in->data_path, .disk = in->disk,
                                                         .clock = in->clock},
                           err);
}

static void stop_store(struct instance *in)
{
    store_free(in->store);
}

static int start_lake(struct instance *in, struct err *err)
{
    return lake_new(&in->lake, &(struct lake_options){.store = in->store, .clock = in->clock}, err);
}

static void stop_lake(struct instance *in)
{
    lake_free(in->lake);
}

static int start_control(struct instance *in, struct err *err)
{
    return control_new(&in->control, in->data_path, instance_verbs, in, err);
}

static void stop_control(struct instance *in)
{
    control_free(in->control);
}

/* Started from the top down, stopped from the bottom up. */
static const struct room rooms[] = {
    {"workers", start_workers, stop_workers},
    {"meta",    start_meta,    stop_meta},
    {"store",   start_store,   stop_store},
    {"lake",    start_lake,    stop_lake},
    {"control", start_control, stop_control},
    {NULL},
};

int main(int argc, char **argv)
{
    return cli_main(argc, argv, rooms);
}
