/* Serializers: objects become bytes on the sending thread, after the interceptors; a failure refuses the send. */
#include "check.h"

struct order {
    int number;
    double amount;
};

static _Thread_local char key_bytes[64], value_bytes[128];
static _Thread_local producer_header_t more_headers[4];
static atomic_int keys, values, refusals, acks;
static producer_status_t answer = PRODUCER_OK;
static const char *complaint;
static producer_t *caller;
static bool refuse_next;

static producer_status_t serialize_key(producer_serialization_t *what, void *opaque) {
    CHECK(what->struct_size >= sizeof(producer_serialization_t) && what->is_key && opaque == &keys);
    int n = snprintf(key_bytes, sizeof key_bytes, "%d", *(const int *)what->record->key);
    what->record->key = key_bytes, what->record->key_len = (size_t)n;
    what->record->value = "not the key's to change"; /* does not count */
    what->record->partition = -9;
    keys++;
    return PRODUCER_OK;
}

static producer_status_t serialize_value(producer_serialization_t *what, void *opaque) {
    (void)opaque;
    values++;
    CHECK(!what->is_key);
    if (answer != PRODUCER_OK) {
        if (complaint) snprintf(what->error_text, what->error_size, "%s", complaint);
        return answer;
    }
    if (refuse_next) {
        refuse_next = false;
        return PRODUCER_ERR_NOT_FOUND;
    }
    if (caller) {
        CHECK_STATUS(producer_send(caller, what->record, NULL, NULL), PRODUCER_ERR_IN_CALLBACK);
        CHECK_STATUS(producer_close(caller, 0), PRODUCER_ERR_IN_CALLBACK);
    }
    const struct order *order = what->record->value;
    int n = snprintf(value_bytes, sizeof value_bytes, "%s:%d:%.2f", what->topic, order->number, order->amount);
    what->record->value = value_bytes, what->record->value_len = (size_t)n;
    size_t count = what->record->header_count;
    for (size_t i = 0; i < count && i < 3; i++) more_headers[i] = what->record->headers[i];
    more_headers[count] = (producer_header_t){"schema", "7", 1};
    what->record->headers = more_headers, what->record->header_count = count + 1;
    return PRODUCER_OK;
}

static producer_status_t broken(producer_serialization_t *what, void *opaque) {
    (void)opaque;
    what->record->value = NULL, what->record->value_len = 9;
    return PRODUCER_OK;
}

static producer_status_t reroute(producer_record_t *record, void *opaque) {
    (void)opaque;
    record->topic = "orders"; /* the serializers see this topic */
    return PRODUCER_OK;
}

static void on_acknowledgement(const producer_report_t *report, void *opaque) {
    (void)opaque;
    acks++;
    if (report->status == PRODUCER_ERR_SERIALIZATION && report->phase == PRODUCER_PHASE_REFUSED) refusals++;
}

static int visit(const producer_mock_record_t *r, void *opaque) {
    char *text = opaque;
    snprintf(text, 200, "%.*s=%.*s %zu", r->key_len < 0 ? 0 : (int)r->key_len, (const char *)r->key,
             r->value_len < 0 ? 4 : (int)r->value_len, r->value_len < 0 ? "NULL" : (const char *)r->value, r->header_count);
    return 0;
}

static producer_t *typed(producer_mock_cluster_t *mock, producer_serialize_fn value) {
    producer_t *p = NULL;
    producer_interceptor_t v = PRODUCER_INTERCEPTOR_INIT;
    v.name = "router", v.on_send = reroute, v.on_acknowledgement = on_acknowledgement;
    producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", NULL);
    REQUIRE_OK(producer_config_add_interceptor(c, &v));
    REQUIRE_OK(producer_config_set_key_serializer(c, serialize_key, &keys));
    REQUIRE_OK(producer_config_set_value_serializer(c, value, NULL));
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    return p;
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "orders", 1, 1));
    producer_t *p = typed(mock, serialize_value);
    int number = 42;
    struct order order = {42, 9.5};
    producer_header_t header = {"own", NULL, 0};
    struct outcome *o = outcomes_new(1);
    char text[200] = "";

    check_case("key and value are objects until they are serialized; the topic is the interceptors', headers may be added");
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.key = &number, r.value = &order, r.headers = &header, r.header_count = 1;
    REQUIRE_OK(producer_send(p, &r, on_outcome, o));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_ALL(o, 1, PRODUCER_OK);
    CHECK_INT(o->key_len, 2);
    REQUIRE_OK(producer_mock_cluster_records(mock, "orders", 0, 0, visit, text));
    CHECK(strcmp(text, "42=orders:42:9.50 2") == 0);
    CHECK(r.key == &number && r.value == &order && r.header_count == 1);

    check_case("NULL stays NULL: no key, a tombstone");
    r.key = NULL, r.value = NULL, r.headers = NULL, r.header_count = 0;
    REQUIRE_OK(producer_send(p, &r, NULL, NULL));
    CHECK_OK(producer_flush(p, WAIT_MS));
    REQUIRE_OK(producer_mock_cluster_records(mock, "orders", 0, 1, visit, text));
    CHECK(strcmp(text, "=NULL 0") == 0);
    CHECK_INT(keys, 1);
    CHECK_INT(values, 1);
    r.key_len = 3;
    CHECK_STATUS(producer_send(p, &r, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    r.key_len = 0;

    check_case("a failure refuses the send with SERIALIZATION and the serializer's own words; interceptors hear of it");
    r.value = &order;
    answer = PRODUCER_ERR_NOT_FOUND, complaint = "no schema 7";
    int heard = refusals;
    CHECK_STATUS(producer_send(p, &r, on_outcome, o), PRODUCER_ERR_SERIALIZATION);
    CHECK_SAYS(producer_last_error(), "value");
    CHECK_SAYS(producer_last_error(), "'orders'");
    CHECK_SAYS(producer_last_error(), "no schema 7");
    complaint = NULL;
    CHECK_STATUS(producer_send(p, &r, on_outcome, o), PRODUCER_ERR_SERIALIZATION);
    CHECK_SAYS(producer_last_error(), "NOT_FOUND");
    answer = 123456;
    CHECK_STATUS(producer_send(p, &r, on_outcome, o), PRODUCER_ERR_SERIALIZATION);
    CHECK_INT(refusals, heard + 3);
    answer = PRODUCER_OK;
    CHECK_INT(o->reports, 1);
    CHECK_INT(log_end(mock, "orders", 0), 2);

    check_case("of many records only those that are not serialized are left out");
    producer_record_t many[3] = {r, r, r};
    producer_status_t statuses[3] = {1, 1, 1};
    size_t accepted = 0;
    refuse_next = true;
    CHECK_STATUS(producer_send_many_status(p, many, 3, NULL, NULL, statuses, &accepted), PRODUCER_ERR_SERIALIZATION);
    CHECK_INT(accepted, 2);
    CHECK_STATUS(statuses[0], PRODUCER_ERR_SERIALIZATION);
    CHECK_OK(statuses[1]);
    CHECK_OK(statuses[2]);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(log_end(mock, "orders", 0), 4);

    check_case("from a serializer nothing may be sent, and the producer not be closed");
    caller = p;
    CHECK_OK(producer_send(p, &r, NULL, NULL));
    caller = NULL;
    CHECK_OK(producer_close(p, WAIT_MS));

    check_case("what a serializer leaves behind is checked");
    p = typed(mock, broken);
    CHECK_STATUS(producer_send(p, &r, NULL, NULL), PRODUCER_ERR_SERIALIZATION);
    CHECK_SAYS(producer_last_error(), "value is NULL");
    CHECK_OK(producer_close(p, WAIT_MS));

    check_case("bad input, and taking one away again");
    CHECK_STATUS(producer_config_set_key_serializer(NULL, serialize_key, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_config_set_value_serializer(NULL, serialize_value, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    producer_config_t *c = config_of(producer_mock_cluster_bootstrap_servers(mock), NULL);
    CHECK_OK(producer_config_set_value_serializer(c, serialize_value, NULL));
    CHECK_OK(producer_config_set_value_serializer(c, NULL, NULL));
    REQUIRE_OK(producer_new(c, &p));
    producer_config_free(c);
    int before = values;
    warm_up(p, "t", 0);
    CHECK_INT(values, before);
    CHECK_OK(producer_close(p, WAIT_MS));

    CHECK(strcmp(producer_status_name(PRODUCER_ERR_SERIALIZATION), "SERIALIZATION") == 0);
    CHECK(!producer_status_is_fatal(PRODUCER_ERR_SERIALIZATION) && !producer_status_is_retriable(PRODUCER_ERR_SERIALIZATION));
    free(o);
    producer_mock_cluster_free(mock);
    return check_end();
}
