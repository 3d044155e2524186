/* faker.h - the expressions of 'connector' = 'faker' and how each is drawn (faker_words.c). */
#ifndef CONNECTOR_FAKER_H
#define CONNECTOR_FAKER_H

#include "base/base.h"

struct faker_draw { /* the dice of one value */
    uint64_t state;
    int64_t now_us;
};
uint64_t faker_random(struct faker_draw *draw);

struct faker_word;
const struct faker_word *faker_word_find(const char *name); /* case does not count; NULL: none */
const char *faker_word_names(void);
/* Appends a value. ERR_INVALID: wrong arguments. */
int faker_word_put(const struct faker_word *word, const char *const *args, size_t count,
                   struct faker_draw *draw, struct buf *out, struct err *err);

/* Appends text that the pattern matches: literals, classes, groups with alternatives, quantifiers,
 * \d \w \s and the dot. ERR_INVALID. */
int faker_regexify(const char *pattern, struct faker_draw *draw, struct buf *out, struct err *err);

#endif
