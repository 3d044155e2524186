/* errors.c - what our error codes are called in the Kafka protocol, where no handler knows better.
 */
#include "kafka/errors.h"

#include "base/base.h"

int16_t kafka_error(int code)
{
    static const struct {
        int code;
        int16_t error;
    } map[] = {
        {0, NONE},
        {ERR_INVALID, INVALID_REQUEST},
        {ERR_CORRUPT, CORRUPT_MESSAGE},
        {ERR_IO, KAFKA_STORAGE_ERROR},
        {ERR_NOSPC, KAFKA_STORAGE_ERROR},
        {ERR_READONLY, KAFKA_STORAGE_ERROR},
        {ERR_NOENT, UNKNOWN_TOPIC_OR_PARTITION},
        {ERR_EXISTS, TOPIC_ALREADY_EXISTS},
        {ERR_CONFLICT, OUT_OF_ORDER_SEQUENCE_NUMBER},
        {ERR_DENIED, INVALID_PRODUCER_EPOCH},
        {ERR_RANGE, OFFSET_OUT_OF_RANGE},
        {ERR_TIMEOUT, REQUEST_TIMED_OUT},
        {ERR_CLOSED, KAFKA_STORAGE_ERROR},
        {ERR_UNSUPPORTED, UNSUPPORTED_VERSION},
    };

    for (size_t i = 0; i < COUNT_OF(map); i++)
        if (map[i].code == code)
            return map[i].error;
    return UNKNOWN_SERVER_ERROR;
}
