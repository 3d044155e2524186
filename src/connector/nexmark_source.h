/* nexmark_source.h - 'connector' = 'nexmark': events of the benchmark as rows. */
#ifndef CONNECTOR_NEXMARK_SOURCE_H
#define CONNECTOR_NEXMARK_SOURCE_H

#include "connector/factory.h"

int nexmark_source_new(const struct source_request *request, struct stream_source **out,
                       struct err *err);

#endif
