/* producer_send_many, producer_send_many_status and producer_send_flat: order, statuses, the end of a run, bad input. */
#include "check.h"

#define COUNT 1000

static producer_record_t records[COUNT];
static producer_status_t statuses[COUNT];
static struct outcome outcomes[COUNT];
static void *opaques[COUNT];
static char values[COUNT][16];

static void prepare(void) {
    memset(outcomes, 0, sizeof outcomes);
    for (size_t i = 0; i < COUNT; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.partition = 0, r.value = values[i];
        r.value_len = (size_t)snprintf(values[i], sizeof values[i], "%zu", i);
        records[i] = r;
        opaques[i] = &outcomes[i];
        statuses[i] = 12345;
    }
}

/* Sees that the log holds "0", "1", "2", … from a place on. */
struct expected {
    size_t next, step;
};

static int in_order(const producer_mock_record_t *r, void *opaque) {
    struct expected *e = opaque;
    char text[16];
    int len = snprintf(text, sizeof text, "%zu", e->next);
    if (!CHECK(r->value_len == len && memcmp(r->value, text, (size_t)len) == 0)) return 1;
    e->next += e->step;
    return 0;
}

static void accepted_in_order(producer_mock_cluster_t *mock) {
    check_case("all accepted, in order, each with its opaque");
    producer_t *p = producer_at(mock);
    size_t accepted = 0;
    prepare();
    CHECK_OK(producer_send_many(p, records, COUNT, on_outcome, opaques, &accepted));
    CHECK_INT(accepted, COUNT);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(outcomes, COUNT, PRODUCER_OK);
    struct expected e = {0, 1};
    CHECK_OK(producer_mock_cluster_records(mock, "t", 0, 0, in_order, &e));
    CHECK_INT(e.next, COUNT);
    accepted = 7;
    CHECK_OK(producer_send_many(p, NULL, 0, NULL, NULL, &accepted));
    CHECK_INT(accepted, 0);
    CHECK_OK(producer_send_many(p, records, 3, NULL, NULL, &accepted));
    CHECK_INT(accepted, 3);

    check_case("no callback but opaques: the reports are kept");
    prepare();
    CHECK_OK(producer_send_many_status(p, records, 10, NULL, opaques, statuses, &accepted));
    CHECK_OK(producer_flush(p, WAIT_MS));
    producer_report_t out[16] = {{.struct_size = sizeof out[0]}};
    CHECK_INT(producer_poll_reports(p, out, 16, 0), 10);
    for (int i = 0; i < 10; i++) {
        CHECK(out[i].opaque == opaques[i]);
        CHECK_INT(statuses[i], PRODUCER_OK);
    }
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void wrong_ones_are_left_out(producer_mock_cluster_t *mock) {
    check_case("a wrong record is left out and named, the others are sent");
    producer_t *p = producer_at(mock);
    size_t accepted = 0;
    int64_t before = log_end(mock, "t", 1);
    prepare();
    for (size_t i = 0; i < COUNT; i++) records[i].partition = 1;
    records[17].partition = -7;
    records[20].topic = "bad topic!";
    records[40].struct_size += 8;
    records[90].struct_size = 0;
    CHECK_STATUS(producer_send_many_status(p, records, 100, on_outcome, opaques, statuses, &accepted), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "record 17");
    CHECK_SAYS(producer_last_error(), "partition is -7");
    CHECK_INT(accepted, 96);
    for (int i = 0; i < 100; i++) {
        producer_status_t expected = i == 17 || i == 40 || i == 90 ? PRODUCER_ERR_INVALID_ARGUMENT
                                     : i == 20                     ? PRODUCER_ERR_INVALID_TOPIC_EXCEPTION
                                                                   : PRODUCER_OK;
        if (!CHECK_STATUS(statuses[i], expected)) break;
    }
    CHECK_INT(statuses[100], 12345);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(log_end(mock, "t", 1), before + 96);
    CHECK_INT(outcomes_with(outcomes, 100, PRODUCER_OK), 96);
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void a_full_buffer_ends_the_run(producer_mock_cluster_t *mock) {
    check_case("QUEUE_FULL ends the run: what follows is refused with it");
    static char large[8192];
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "60000", "max.block.ms", "0", "buffer.memory",
                                "1000000", "delivery.timeout.ms", "120000", NULL);
    size_t accepted = 0;
    REQUIRE_OK(producer_mock_cluster_broker_down(mock, 1));
    prepare();
    for (size_t i = 0; i < COUNT; i++) records[i].value = large, records[i].value_len = sizeof large, records[i].partition = 2;
    CHECK_STATUS(producer_send_many_status(p, records, COUNT, on_outcome, opaques, statuses, &accepted), PRODUCER_ERR_QUEUE_FULL);
    CHECK_SAYS(producer_last_error(), "record ");
    CHECK(accepted > 20 && accepted < 122);
    for (size_t i = 0; i < COUNT; i++)
        if (!CHECK_STATUS(statuses[i], i < accepted ? PRODUCER_OK : PRODUCER_ERR_QUEUE_FULL)) break;
    CHECK_OK(producer_purge(p, PRODUCER_PURGE_QUEUED | PRODUCER_PURGE_IN_FLIGHT));
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_ALL(outcomes, accepted, PRODUCER_ERR_PURGED);
    REQUIRE_OK(producer_mock_cluster_broker_up(mock, 1));
}

static void flat(producer_mock_cluster_t *mock) {
    check_case("flat arrays: values, keys, nulls, partitions, timestamps, counted opaques");
    producer_t *p = producer_at(mock);
    const producer_topic_t *topic = NULL;
    REQUIRE_OK(producer_topic(p, "flat", &topic));
    int32_t value_lens[] = {3, -1, 0, 2}, key_lens[] = {1, 0, -1, 2}, partitions[] = {0, 1, 2, PRODUCER_PARTITION_ANY};
    int64_t timestamps[] = {1000, PRODUCER_TIMESTAMP_NOW, 3000, 4000};
    producer_flat_records_t f = PRODUCER_FLAT_RECORDS_INIT;
    f.topic_handle = topic, f.count = 4;
    f.values = "abcde", f.values_len = 5, f.value_lens = value_lens;
    f.keys = "xyz", f.keys_len = 3, f.key_lens = key_lens;
    f.partitions = partitions, f.timestamps_ms = timestamps;
    f.callback = PRODUCER_QUEUE_REPORT, f.first_opaque = 100;
    size_t accepted = 0;
    producer_status_t each[4] = {1, 1, 1, 1};
    CHECK_OK(producer_send_flat(p, &f, each, &accepted));
    CHECK_INT(accepted, 4);
    CHECK_OK(producer_flush(p, WAIT_MS));
    producer_report_t out[5] = {{.struct_size = sizeof out[0]}};
    CHECK_INT(producer_poll_reports(p, out, 5, 0), 4);
    int seen = 0;
    for (int i = 0; i < 4; i++) {
        size_t number = (size_t)(uintptr_t)out[i].opaque - 100;
        if (!CHECK(number < 4)) continue;
        seen |= 1 << number;
        CHECK_INT(each[number], PRODUCER_OK);
        CHECK_INT(out[i].value_len, value_lens[number]);
        CHECK_INT(out[i].key_len, key_lens[number]);
        if (partitions[number] >= 0) CHECK_INT(out[i].partition, partitions[number]);
        if (timestamps[number] >= 0) CHECK_INT(out[i].timestamp_ms, timestamps[number]);
        else CHECK(out[i].timestamp_ms > 1600000000000);
    }
    CHECK_INT(seen, 15);
    CHECK_INT(log_count(mock, "flat", 0, "abc"), 1);

    f.opaques = opaques, f.callback = NULL, f.topic_handle = NULL, f.topic = "flat", f.keys = NULL, f.keys_len = 0, f.key_lens = NULL;
    f.partitions = NULL, f.timestamps_ms = NULL;
    prepare();
    CHECK_OK(producer_send_flat(p, &f, NULL, &accepted));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(producer_poll_reports(p, out, 5, 0), 4);
    for (int i = 0; i < 4; i++) CHECK_INT(out[i].key_len, -1);
    f.opaques = NULL; /* neither: nothing is kept */
    CHECK_OK(producer_send_flat(p, &f, NULL, &accepted));
    f.values = NULL, f.values_len = 0, f.value_lens = NULL; /* four null values */
    CHECK_OK(producer_send_flat(p, &f, NULL, &accepted));
    f.count = 0;
    CHECK_OK(producer_send_flat(p, &f, NULL, &accepted));
    CHECK_INT(accepted, 0);
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(producer_poll_reports(p, out, 5, 0), 0);
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void bad_input(producer_mock_cluster_t *mock) {
    check_case("bad input");
    producer_t *p = producer_at(mock);
    size_t accepted = 77;
    prepare();
    CHECK_STATUS(producer_send_many(NULL, records, 1, NULL, NULL, &accepted), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_send_many(p, NULL, 1, NULL, NULL, &accepted), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "records");
    CHECK_STATUS(producer_send_many(p, records, 1, NULL, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "accepted");
    CHECK_STATUS(producer_send_many(p, records, SIZE_MAX, NULL, NULL, &accepted), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "count");
    CHECK_STATUS(producer_send_many_status(p, records, 1, NULL, NULL, NULL, &accepted), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "statuses");
    records[0].struct_size = 3;
    CHECK_STATUS(producer_send_many(p, records, 1, NULL, NULL, &accepted), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "struct_size");

    int32_t lens[] = {2, 3}, negative[] = {2, -2};
    producer_flat_records_t good = PRODUCER_FLAT_RECORDS_INIT, f;
    good.topic = "t", good.count = 2, good.values = "abcde", good.values_len = 5, good.value_lens = lens;
    CHECK_STATUS(producer_send_flat(NULL, &good, NULL, &accepted), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_send_flat(p, NULL, NULL, &accepted), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_send_flat(p, &good, NULL, NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    f = good, f.struct_size = 8;
    CHECK_STATUS(producer_send_flat(p, &f, NULL, &accepted), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "PRODUCER_FLAT_RECORDS_INIT");
    f = good, f.topic = NULL;
    CHECK_STATUS(producer_send_flat(p, &f, NULL, &accepted), PRODUCER_ERR_INVALID_ARGUMENT);
    f = good, f.topic = "no topic!";
    CHECK_STATUS(producer_send_flat(p, &f, NULL, &accepted), PRODUCER_ERR_INVALID_TOPIC_EXCEPTION);
    f = good, f.count = SIZE_MAX / 2;
    CHECK_STATUS(producer_send_flat(p, &f, NULL, &accepted), PRODUCER_ERR_INVALID_ARGUMENT);
    f = good, f.values_len = 4;
    CHECK_STATUS(producer_send_flat(p, &f, NULL, &accepted), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "value_lens add up to 5");
    f = good, f.values_len = 6;
    CHECK_STATUS(producer_send_flat(p, &f, NULL, &accepted), PRODUCER_ERR_INVALID_ARGUMENT);
    f = good, f.value_lens = negative;
    CHECK_STATUS(producer_send_flat(p, &f, NULL, &accepted), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "value_lens[1]");
    f = good, f.values = NULL;
    CHECK_STATUS(producer_send_flat(p, &f, NULL, &accepted), PRODUCER_ERR_INVALID_ARGUMENT);
    f = good, f.value_lens = NULL;
    CHECK_STATUS(producer_send_flat(p, &f, NULL, &accepted), PRODUCER_ERR_INVALID_ARGUMENT);
    f = good, f.key_lens = lens;
    CHECK_STATUS(producer_send_flat(p, &f, NULL, &accepted), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "key_lens");
    CHECK_INT(accepted, 77); /* untouched */
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_STATUS(producer_send_many(p, records, 1, NULL, NULL, &accepted), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_send_flat(p, &good, NULL, &accepted), PRODUCER_ERR_CLOSED);
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(1, "t", 4);
    REQUIRE_OK(producer_mock_cluster_topic_create(mock, "flat", 4, 1));
    accepted_in_order(mock);
    wrong_ones_are_left_out(mock);
    a_full_buffer_ends_the_run(mock);
    flat(mock);
    bad_input(mock);
    producer_mock_cluster_free(mock);
    return check_end();
}
