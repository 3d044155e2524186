/* s3_condition.h - the Condition element of a policy, and the names of actions. See s3_policy.h. */
#ifndef S3_S3_CONDITION_H
#define S3_S3_CONDITION_H

#include "base/json.h"
#include "s3/s3_policy.h"

struct s3_condition; /* one operator and key with their values */
struct s3_conditions_set {
    struct s3_condition *list; /* in the arena; all must hold */
    size_t count;
};

/* `json` NULL: none. ERR_INVALID names an operator or key that we would not judge as AWS does. */
int s3_conditions_read(struct arena *arena, const json_t *json, struct s3_conditions_set *out,
                       struct err *err);
bool s3_conditions_hold(const struct s3_conditions_set *set, const struct s3_ask *ask);

/* Does the pattern ("s3:GetObject", "s3:Get*") name an action of the S3 API? */
bool s3_action_fits(const char *pattern, const char *action); /* in either case */
bool s3_action_known(const char *pattern);
bool s3_action_on_object(const char *action);

#endif
