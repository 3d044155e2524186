/* config_s3.h - how config.c reads users and bucket settings. */
#ifndef CLI_CONFIG_S3_H
#define CLI_CONFIG_S3_H

#include "cli/config.h"

extern const struct yaml_field config_s3_user_keys[], config_s3_bucket_keys[];

/* Fills s3.users and s3.settings from their nodes; mistakes land in `problems`. 0 or ERR_NOMEM. */
int config_s3_check(struct config *config, const char *file, struct yaml_problems *problems);

#endif
