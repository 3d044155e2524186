/* outside_conf.c - properties of Kafka's Java clients as librdkafka's.
 *
 * Most names are the same. The table has those that are not, in both directions of strictness: what
 * Java has and librdkafka does by itself is passed over; what belongs to security and is not known
 * here is refused, since a connection without it would be another one than was asked for. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/secret.h"
#include "kafka/outside_int.h"

enum rule_what {
    AS,     /* another name */
    PASS,   /* says nothing here */
    REFUSE, /* `as` says what to do instead */
    KBYTES, /* another name, in KiB */
    SPECIAL /* read together with others, below */
};

static const struct rule {
    const char *name;
    enum rule_what what;
    const char *as;
} rules[] = {
    /* Flink sets these itself, and librdkafka has no use for them. */
    {"key.deserializer", PASS, NULL},
    {"value.deserializer", PASS, NULL},
    {"key.serializer", PASS, NULL},
    {"value.serializer", PASS, NULL},
    {"enable.auto.commit", PASS, NULL}, /* the job's commit decides */
    {"auto.commit.interval.ms", PASS, NULL},
    {"auto.offset.reset", PASS, NULL}, /* the source looks at it */
    {"max.poll.records", PASS, NULL},
    {"default.api.timeout.ms", PASS, NULL},
    {"partition.discovery.interval.ms", PASS, NULL},
    {"partition.assignment.strategy", PASS, NULL},
    {"exclude.internal.topics", PASS, NULL},
    {"interceptor.classes", PASS, NULL},
    {"client.dns.lookup", PASS, NULL},
    {"zookeeper.connect", PASS, NULL}, /* in many old scripts; no client has asked it since 0.9 */
    {"max.block.ms", PASS, NULL},
    {"partitioner.class", REFUSE, "take 'sink.partitioner'"},
    {"transactional.id", REFUSE, "the sink makes its own: take 'sink.transactional-id-prefix'"},
    {"group.instance.id", PASS, NULL}, /* no group is joined */
    /* Other names. */
    {"fetch.max.wait.ms", AS, "fetch.wait.max.ms"},
    {"receive.buffer.bytes", AS, "socket.receive.buffer.bytes"},
    {"send.buffer.bytes", AS, "socket.send.buffer.bytes"},
    {"max.request.size", AS, "message.max.bytes"},
    {"buffer.memory", KBYTES, "queue.buffering.max.kbytes"},
    {"sasl.mechanism", AS, "sasl.mechanisms"},
    {"ssl.truststore.certificates", AS, "ssl.ca.pem"},
    {"ssl.keystore.certificate.chain", AS, "ssl.certificate.pem"},
    {"ssl.keystore.key", AS, "ssl.key.pem"},
    /* Of security. */
    {"ssl.protocol", PASS, NULL},
    {"ssl.enabled.protocols", PASS, NULL}, /* OpenSSL's: 1.2 and 1.3 */
    {"ssl.provider", PASS, NULL},
    {"ssl.secure.random.implementation", PASS, NULL},
    {"ssl.keymanager.algorithm", PASS, NULL},
    {"ssl.trustmanager.algorithm", PASS, NULL},
    {"ssl.truststore.location", SPECIAL, NULL},
    {"ssl.truststore.type", SPECIAL, NULL},
    {"ssl.truststore.password", SPECIAL, NULL},
    {"ssl.keystore.location", SPECIAL, NULL},
    {"ssl.keystore.type", SPECIAL, NULL},
    {"ssl.endpoint.identification.algorithm", SPECIAL, NULL},
    {"sasl.jaas.config", SPECIAL, NULL},
    {"sasl.client.callback.handler.class", REFUSE, "classes of Java do not run here"},
    {"sasl.login.callback.handler.class", REFUSE, "classes of Java do not run here"},
    {"sasl.login.class", REFUSE, "classes of Java do not run here"},
};

static const struct rule *find_rule(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        if (!strcmp(rules[i].name, name))
            return &rules[i];
    return NULL;
}

static bool is_secret(const char *name)
{
    static const char *const words[] = {"password", "secret", "jaas", ".key", ".pem", "token"};

    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strstr(name, words[i]))
            return true;
    return false;
}

static bool is_security(const char *name)
{
    return !strncmp(name, "ssl.", 4) || !strncmp(name, "sasl.", 5) ||
           !strncmp(name, "security.", 9);
}

/* `out` ends with a NUL. */
static int expand(const struct outside_property *p, struct buf *out, struct err *err)
{
    char option[300];

    snprintf(option, sizeof(option), "properties.%s", p->name);
    return secret_expand(option, p->value, out, err);
}

/* ---- one property ---- */

int outside_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err)
{
    char text[256];

    switch (rd_kafka_conf_set(conf, name, value, text, sizeof(text))) {
    case RD_KAFKA_CONF_OK:
        return 0;
    case RD_KAFKA_CONF_UNKNOWN:
        return err_set(err, ERR_NOENT, "'properties.%s' is no property of a Kafka client", name);
    default:
        return is_secret(name)
                   ? err_set(err, ERR_INVALID, "'properties.%s' has a value that cannot be", name)
                   : err_set(err, ERR_INVALID, "'properties.%s': %s", name, text);
    }
}

static int set_kbytes(rd_kafka_conf_t *conf, const struct rule *rule, const char *value,
                      struct err *err)
{
    char text[32];
    int64_t bytes;

    if (slice_to_i64(slice_str(value), &bytes) || bytes < 0)
        return err_set(err, ERR_INVALID, "'properties.%s' = '%s' is no number of bytes", rule->name,
                       value);
    snprintf(text, sizeof(text), "%" PRId64, bytes < 1024 ? 1 : bytes / 1024);
    return outside_conf_set(conf, rule->as, text, err);
}

static int set_plain(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err)
{
    struct err why = {0};
    int rc;

    if ((strstr(name, "buffer.bytes") && value[0] == '-') || !value[0])
        return 0; /* Java's "as the system likes" */
    rc = outside_conf_set(conf, name, value, &why);
    if (rc == ERR_NOENT && !is_security(name)) {
        diag_warn("kafka", "%s: passed over, as Kafka's clients do", why.text);
        return 0;
    }
    if (rc && err)
        *err = why;
    return rc == ERR_NOENT ? err_set(err, ERR_UNSUPPORTED, "%s", why.text) : rc;
}

/* ---- those that belong together ---- */

struct together {
    char *truststore, *truststore_type, *keystore, *keystore_type, *jaas, *algorithm;
};

static char **together_place(struct together *t, const char *name)
{
    const struct {
        const char *name;
        char **place;
    } places[] = {
        {"ssl.truststore.location", &t->truststore},
        {"ssl.truststore.type", &t->truststore_type},
        {"ssl.keystore.location", &t->keystore},
        {"ssl.keystore.type", &t->keystore_type},
        {"sasl.jaas.config", &t->jaas},
        {"ssl.endpoint.identification.algorithm", &t->algorithm},
    };

    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (!strcmp(places[i].name, name))
            return places[i].place;
    return NULL; /* the password of a file of certificates: PEM has none */
}

static bool is_pem(const char *path, const char *type)
{
    size_t len = strlen(path);

    if (type)
        return !strcasecmp(type, "PEM");
    return len > 4 && (!strcasecmp(path + len - 4, ".pem") || !strcasecmp(path + len - 4, ".crt"));
}

static int set_truststore(rd_kafka_conf_t *conf, const struct together *t, struct err *err)
{
    if (!t->truststore)
        return 0;
    if (!is_pem(t->truststore, t->truststore_type))
        return err_set(
            err, ERR_UNSUPPORTED,
            "'properties.ssl.truststore.location': a keystore of Java is not read. Write "
            "its certificates as PEM (keytool -exportcert -rfc -keystore FILE -alias "
            "NAME) and set 'properties.ssl.truststore.type' = 'PEM'");
    return outside_conf_set(conf, "ssl.ca.location", t->truststore, err);
}

static int set_keystore(rd_kafka_conf_t *conf, const struct together *t, struct err *err)
{
    int rc;

    if (!t->keystore)
        return 0;
    if (t->keystore_type && !strcasecmp(t->keystore_type, "PKCS12"))
        return outside_conf_set(conf, "ssl.keystore.location", t->keystore, err);
    if (!is_pem(t->keystore, t->keystore_type))
        return err_set(
            err, ERR_UNSUPPORTED,
            "'properties.ssl.keystore.location': a keystore of Java is not read. Write it "
            "as PKCS12 (keytool -importkeystore -srckeystore FILE -deststoretype PKCS12 "
            "-destkeystore NEW) and set 'properties.ssl.keystore.type' = 'PKCS12'");
    rc = outside_conf_set(conf, "ssl.certificate.location", t->keystore, err);
    return rc ? rc : outside_conf_set(conf, "ssl.key.location", t->keystore, err);
}

/* username="..." of a JAAS line; the value has \" for a quote. */
static bool jaas_value(const char *jaas, const char *key, char *out, size_t size)
{
    size_t len = strlen(key), used = 0;
    const char *at = jaas;

    while ((at = strstr(at, key)) && (at == jaas || (at[-1] != ' ' && at[-1] != '\n')))
        at += len;
    if (!at)
        return false;
    at += len + strspn(at + len, " ");
    if (*at++ != '=')
        return false;
    at += strspn(at, " ");
    if (*at++ != '"')
        return false;
    for (; *at && *at != '"' && used + 1 < size; at++) {
        if (*at == '\\' && at[1])
            at++;
        out[used++] = *at;
    }
    out[used] = '\0';
    return *at == '"';
}

static int set_jaas(rd_kafka_conf_t *conf, const struct together *t, struct err *err)
{
    char name[512], password[2048];
    int rc;

    if (!t->jaas)
        return 0;
    if (!strstr(t->jaas, "PlainLoginModule") && !strstr(t->jaas, "ScramLoginModule"))
        return err_set(err, ERR_UNSUPPORTED,
                       "'properties.sasl.jaas.config': only PlainLoginModule and ScramLoginModule "
                       "are known; for others set librdkafka's 'properties.sasl.*'");
    if (!jaas_value(t->jaas, "username", name, sizeof(name)) ||
        !jaas_value(t->jaas, "password", password, sizeof(password)))
        return err_set(err, ERR_INVALID,
                       "'properties.sasl.jaas.config': username=\"...\" password=\"...\" expected");
    rc = outside_conf_set(conf, "sasl.username", name, err);
    if (!rc)
        rc = outside_conf_set(conf, "sasl.password", password, err);
    memset(password, 0, sizeof(password));
    return rc;
}

static int set_together(rd_kafka_conf_t *conf, const struct together *t, struct err *err)
{
    int rc = set_truststore(conf, t, err);

    if (!rc)
        rc = set_keystore(conf, t, err);
    if (!rc)
        rc = set_jaas(conf, t, err);
    if (!rc && t->algorithm)
        rc = outside_conf_set(conf, "ssl.endpoint.identification.algorithm",
                              t->algorithm[0] ? t->algorithm : "none", err);
    return rc;
}

static int set_property(rd_kafka_conf_t *conf, struct together *t, bool producer,
                        const struct outside_property *p, struct err *err)
{
    const struct rule *rule = find_rule(p->name);
    struct buf value = {0};
    char **place;
    int rc;

    if (rule && rule->what == PASS)
        return 0;
    if (rule && rule->what == REFUSE)
        return err_set(err, ERR_UNSUPPORTED, "'properties.%s': %s", p->name, rule->as);
    if (!strcmp(p->name, "request.timeout.ms") && !producer)
        return set_plain(conf, "socket.timeout.ms", p->value, err);
    rc = expand(p, &value, err);
    if (!rc && rule && rule->what == KBYTES)
        rc = set_kbytes(conf, rule, (char *)value.ptr, err);
    else if (!rc && rule && rule->what == SPECIAL) {
        place = together_place(t, p->name);
        if (place && !*place && !(*place = strdup((char *)value.ptr)))
            rc = err_set(err, ERR_NOMEM, "properties");
    } else if (!rc) {
        rc = set_plain(conf, rule ? rule->as : p->name, (char *)value.ptr, err);
    }
    buf_deinit(&value);
    return rc;
}

/* What is not said otherwise. */
static const struct {
    const char *name, *value;
    int side; /* 0: both, 1: consumer, 2: producer */
} defaults[] = {
    {"client.id", "tarn", 0},
    {"socket.keepalive.enable", "true", 0},
    {"reconnect.backoff.max.ms", "2000", 0},
    {"log.connection.close", "false", 0},
    {"group.id", "tarn", 1}, /* librdkafka wants one; nothing is committed to it */
    {"isolation.level", "read_committed", 1},
    {"check.crcs", "true", 1},
    {"queued.max.messages.kbytes", "32768", 1},
    {"fetch.message.max.bytes", "4194304", 1},
    {"enable.idempotence", "true", 2},
    {"linger.ms", "5", 2},
    {"delivery.timeout.ms", "120000", 2}, /* Java's */
};

static int set_defaults(rd_kafka_conf_t *conf, bool producer, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < COUNT_OF(defaults) && !rc; i++)
        if (defaults[i].side != (producer ? 1 : 2))
            rc = outside_conf_set(conf, defaults[i].name, defaults[i].value, err);
    return rc;
}

/* Idempotence asks for acks=all: who says another number means it. */
static int set_acks(rd_kafka_conf_t *conf, const struct outside_options *o, struct err *err)
{
    for (size_t i = 0; i < o->property_count; i++)
        if (!strcmp(o->properties[i].name, "acks") && strcmp(o->properties[i].value, "all") != 0 &&
            strcmp(o->properties[i].value, "-1") != 0)
            return outside_conf_set(conf, "enable.idempotence", "false", err);
    return 0;
}

static void log_line(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    if (!strcmp(facility, "FAIL") || !strcmp(facility, "ERROR"))
        return; /* told as trouble, once */
    diag(level <= 4 ? DIAG_WARN : DIAG_DEBUG, "kafka", "%s", text);
}

int outside_conf_new(rd_kafka_conf_t **out, const struct outside_options *o, bool producer,
                     struct err *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct together t = {0};
    int rc = set_defaults(conf, producer, err);

    for (size_t i = 0; i < o->property_count && !rc; i++)
        rc = set_property(conf, &t, producer, &o->properties[i], err);
    if (!rc)
        rc = set_together(conf, &t, err);
    if (!rc && producer)
        rc = set_acks(conf, o, err);
    if (!rc && o->bootstrap)
        rc = outside_conf_set(conf, "bootstrap.servers", o->bootstrap, err);
    free(t.truststore);
    free(t.truststore_type);
    free(t.keystore);
    free(t.keystore_type);
    free(t.jaas);
    free(t.algorithm);
    if (rc) {
        rd_kafka_conf_destroy(conf);
        return rc;
    }
    rd_kafka_conf_set_log_cb(conf, log_line);
    *out = conf;
    return 0;
}

int outside_check(const struct outside_options *options, bool producer, struct err *err)
{
    rd_kafka_conf_t *conf;
    int rc = outside_conf_new(&conf, options, producer, err);

    if (!rc)
        rd_kafka_conf_destroy(conf);
    return rc;
}

/* ---- errors ---- */

int outside_code(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return 0;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return ERR_NOENT;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
        return ERR_DENIED;
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        return ERR_TIMEOUT;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return ERR_LIMIT;
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        return ERR_RANGE;
    default:
        return ERR_IO;
    }
}

int outside_failed(rd_kafka_error_t *error, const char *what, struct err *err)
{
    int rc;

    if (!error)
        return 0;
    rc = err_set(err, outside_code(rd_kafka_error_code(error)), "%s: %s", what,
                 rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return rc;
}

void outside_trouble_init(struct outside_trouble *t)
{
    pthread_mutex_init(&t->mutex, NULL);
}

void outside_trouble_deinit(struct outside_trouble *t)
{
    pthread_mutex_destroy(&t->mutex);
}

/* "All brokers are down" comes behind the line that says why: that one is kept. */
void outside_trouble_note(struct outside_trouble *t, rd_kafka_resp_err_t code, const char *text)
{
    bool last = code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;

    pthread_mutex_lock(&t->mutex);
    if (!last || !t->text[0])
        snprintf(t->text, sizeof(t->text), "%s", text);
    t->down |= last || code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
               code == RD_KAFKA_RESP_ERR__SSL || code == RD_KAFKA_RESP_ERR__RESOLVE;
    pthread_mutex_unlock(&t->mutex);
}

void outside_trouble_clear(struct outside_trouble *t)
{
    pthread_mutex_lock(&t->mutex);
    t->down = false;
    t->text[0] = '\0';
    pthread_mutex_unlock(&t->mutex);
}

bool outside_trouble_show(struct outside_trouble *t, char *text, size_t size)
{
    bool down;

    pthread_mutex_lock(&t->mutex);
    down = t->down;
    snprintf(text, size, "%s", t->text);
    pthread_mutex_unlock(&t->mutex);
    return down;
}
