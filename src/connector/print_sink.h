/* print_sink.h - sinks for eyes and for nobody: 'print' writes rows into the log of this tarn, part
 * "print", as they pass; 'blackhole' counts them.
 *
 * Rows are shown before their interval is committed, as Flink does: after a failure some show
 * twice.
 */
#ifndef CONNECTOR_PRINT_SINK_H
#define CONNECTOR_PRINT_SINK_H

#include "connector/factory.h"

int print_sink_new(const struct sink_request *request, struct stream_sink **out, struct err *err);
int blackhole_sink_new(const struct sink_request *request, struct stream_sink **out,
                       struct err *err);

#endif
