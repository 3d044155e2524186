/* scratch.c - an instance for a moment: what plans and tests run in. */
#include <unistd.h>

#include "cli/cli_int.h"
#include "cli/instance.h"

int cli_scratch(struct config *config, cli_scratch_fn *fn, void *arg, struct err *err)
{
    char data[] = "/tmp/tarn-scratch.XXXXXX";
    struct instance in = {.config = config,
                          .disk = disk_scratch(),
                          .clock = clock_system(),
                          .data_path = data,
                          .offline = true};
    int rc;

    if (!mkdtemp(data))
        return err_set(err, ERR_IO, "no temporary folder");
    config->kafka.enabled = config->s3.enabled = config->catalog.enabled = false;
    diag_set_level(DIAG_ERROR);
    rc = data_dir_open(&in.data, in.disk, data, err);
    if (!rc)
        rc = instance_start(&in, cli_rooms, err);
    if (!rc) {
        rc = fn(&in, arg, err);
        instance_stop(&in, cli_rooms);
    }
    data_dir_close(in.data);
    disk_remove_tree(in.disk, data, NULL);
    return rc;
}
