/* examples.h - the projects in examples/, carried inside the program. */
#ifndef CLI_EXAMPLES_H
#define CLI_EXAMPLES_H

#include "base/slice.h"

struct example_file {
    const char *project, *path; /* "payments", "streams/payments.sql" */
    struct slice bytes;
};

/* File number `index`; false behind the last. Files of one project follow each other. */
bool example_file(size_t index, struct example_file *out);

#endif
