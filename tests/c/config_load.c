/* Configuration: files in Java's .properties format, aliases, reading back, copies. */
#include "check.h"

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    REQUIRE(f != NULL);
    REQUIRE(fwrite(text, 1, strlen(text), f) == strlen(text));
    REQUIRE(fclose(f) == 0);
}

static void check_get(const producer_config_t *c, const char *name, const char *expected, int line) {
    const char *value = NULL;
    char what[300];
    check_status(producer_config_get((producer_config_t *)c, name, &value), PRODUCER_OK, PRODUCER_OK, name, __FILE__, line);
    snprintf(what, sizeof what, "%s is \"%s\", expected \"%s\"", name, value ? value : "(null)", expected);
    check_that(value != NULL && strcmp(value, expected) == 0, what, __FILE__, line);
}
#define CHECK_GET(c, name, expected) check_get((c), (name), (expected), __LINE__)

static void java_format(void) {
    check_case(".properties: comments, separators, continuations, escapes");
    producer_config_t *c = NULL;
    REQUIRE_OK(producer_config_new(&c));
    write_file("good.properties",
               "# a comment\n! another\n\n   # an indented one\n"
               "bootstrap.servers = one:9092,\\\n    two:9093\n"
               "client.id:caf\\u00e9\\ one\n"
               "linger.ms 7\n"
               "acks=1\r\n"
               "  batch.size   =   2000\n"
               "buffer.memory=64000000\n"
               "buffer.memory=33554432\n"
               "retry.backoff.ms=50"); /* no line end */
    CHECK_OK(producer_config_load(c, "good.properties"));
    CHECK_GET(c, "bootstrap.servers", "one:9092,two:9093");
    CHECK_GET(c, "client.id", "caf\xc3\xa9 one");
    CHECK_GET(c, "linger.ms", "7");
    CHECK_GET(c, "acks", "1");
    CHECK_GET(c, "batch.size", "2000");
    CHECK_GET(c, "buffer.memory", "33554432"); /* the last one counts, as in Java */
    CHECK_GET(c, "retry.backoff.ms", "50");
    producer_config_free(c);
}

static void bad_files(void) {
    check_case("bad files: the message names file, line and property");
    producer_config_t *c = NULL;
    REQUIRE_OK(producer_config_new(&c));
    CHECK_STATUS(producer_config_load(c, "no-such-file.properties"), PRODUCER_ERR_NOT_FOUND);
    CHECK_SAYS(producer_last_error(), "no-such-file.properties");
    CHECK_STATUS(producer_config_load(c, "."), PRODUCER_ERR_IO);
    write_file("unknown.properties", "acks=all\n\nlingr.ms=5\n");
    CHECK_STATUS(producer_config_load(c, "unknown.properties"), PRODUCER_ERR_UNKNOWN_PROPERTY);
    CHECK_SAYS(producer_last_error(), "unknown.properties");
    CHECK_SAYS(producer_last_error(), "3");
    CHECK_SAYS(producer_last_error(), "linger.ms");
    write_file("value.properties", "linger.ms=soon\n");
    CHECK_STATUS(producer_config_load(c, "value.properties"), PRODUCER_ERR_INVALID_PROPERTY);
    CHECK_SAYS(producer_last_error(), "soon");
    write_file("bytes.properties", "client.id=\xff\xfe\n");
    CHECK(producer_config_load(c, "bytes.properties") != PRODUCER_OK);
    write_file("escape.properties", "client.id=\\u00zz\n");
    CHECK(producer_config_load(c, "escape.properties") != PRODUCER_OK);
    write_file("empty.properties", "");
    CHECK_OK(producer_config_load(c, "empty.properties"));
    producer_config_free(c);
}

static void aliases_and_copies(void) {
    check_case("librdkafka's names, defaults, clones");
    producer_config_t *c = NULL, *copy = NULL;
    REQUIRE_OK(producer_config_new(&c));
    CHECK_GET(c, "acks", "all");
    CHECK_GET(c, "linger.ms", "5");
    CHECK_GET(c, "batch.size", "1000000");
    CHECK_OK(producer_config_set(c, "queue.buffering.max.ms", "9"));
    CHECK_GET(c, "linger.ms", "9");
    CHECK_OK(producer_config_set(c, "metadata.broker.list", "there:9092"));
    CHECK_GET(c, "bootstrap.servers", "there:9092");
    CHECK_OK(producer_config_set(c, "acks", "-1"));
    CHECK_OK(producer_config_clone(c, &copy));
    CHECK_OK(producer_config_set(copy, "linger.ms", "11"));
    CHECK_GET(c, "linger.ms", "9");
    CHECK_GET(copy, "linger.ms", "11");
    CHECK_GET(copy, "bootstrap.servers", "there:9092");
    producer_config_free(c);
    CHECK_GET(copy, "linger.ms", "11");
    producer_config_free(copy);
}

static void loaded_producer(void) {
    check_case("a producer from a file; the configuration may be changed and freed afterwards");
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_config_t *c = NULL;
    producer_t *p = NULL;
    char text[400];
    snprintf(text, sizeof text, "bootstrap.servers=%s\nlinger.ms=0\n", producer_mock_cluster_bootstrap_servers(mock));
    write_file("producer.properties", text);
    REQUIRE_OK(producer_config_new(&c));
    CHECK_OK(producer_config_load(c, "producer.properties"));
    REQUIRE_OK(producer_new(c, &p));
    CHECK_OK(producer_config_set(c, "bootstrap.servers", "elsewhere:1"));
    producer_config_free(c);
    warm_up(p, "t", 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    producer_mock_cluster_free(mock);
}

static void embedded_mock(void) {
    check_case("test.mock.num.brokers starts a cluster inside the producer");
    producer_config_t *c = NULL;
    producer_t *p = NULL;
    REQUIRE_OK(producer_config_new(&c));
    CHECK_OK(producer_config_set(c, "test.mock.num.brokers", "3"));
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    struct outcome *o = outcomes_new(100);
    send_numbered(p, "any-topic", PRODUCER_PARTITION_ANY, "v", o, 100); /* topics come into being as they are named */
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 100, PRODUCER_OK);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(o);
}

int main(void) {
    check_begin();
    java_format();
    bad_files();
    aliases_and_copies();
    loaded_producer();
    embedded_mock();
    return check_end();
}
