/* The operating system gives less memory than buffer.memory allows: sends are refused with a status, what was accepted is kept and
   reported, and when there is memory again all goes on. */
#include "check.h"

#include <sys/resource.h>

#define RECORDS_MAX 100000
#define RECORD_BYTES 20000
#define ROOM (96u << 20)

static struct outcome *outcomes;
static char value[RECORD_BYTES];

static size_t address_space(void) {
    size_t pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    REQUIRE(statm != NULL && fscanf(statm, "%zu", &pages) == 1);
    fclose(statm);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void limit(size_t bytes) {
    struct rlimit l;
    REQUIRE(getrlimit(RLIMIT_AS, &l) == 0);
    l.rlim_cur = bytes == 0 ? l.rlim_max : (rlim_t)bytes;
    REQUIRE(setrlimit(RLIMIT_AS, &l) == 0);
}

/* Sends until the first refusal; answers how many were accepted. */
static size_t fill(producer_t *p, const char *topic, size_t bytes, bool headers, producer_status_t *status) {
    producer_header_t header = {"name", value, bytes};
    size_t accepted = 0;
    for (; accepted < RECORDS_MAX; accepted++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = topic, r.partition = (int32_t)(accepted % 4);
        r.key = value, r.key_len = 8, r.value = value, r.value_len = headers ? 1 : bytes;
        if (headers) r.headers = &header, r.header_count = 1;
        *status = producer_send(p, &r, on_outcome, &outcomes[accepted]);
        if (*status != PRODUCER_OK) break;
    }
    return accepted;
}

static void refused_and_kept(producer_mock_cluster_t *mock, bool known, size_t bytes, bool headers) {
    printf("- %s topic, records of %zu bytes%s\n", known ? "a known" : "an unknown", bytes, headers ? " in a header" : "");
    fflush(stdout);
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "60000", "delivery.timeout.ms", "120000",
                                "buffer.memory", "2000000000", "max.block.ms", "0", "batch.size", "100000", NULL);
    outcomes = outcomes_new(RECORDS_MAX);
    if (known) {
        CHECK_OK(producer_warm_up(p, "t", WAIT_MS));
        CHECK_OK(send_text(p, "t", 0, "first", NULL));
        CHECK_OK(producer_flush(p, WAIT_MS));
    }
    /* It is in this process, and would need memory too. An unknown topic's records wait for metadata. */
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, 1));
    limit(address_space() + ROOM);
    producer_status_t status;
    size_t accepted = fill(p, "t", bytes, headers, &status);
    CHECK_STATUS(status, PRODUCER_ERR_NO_RESOURCES);
    CHECK_SAYS(producer_last_error(), "buffer.memory");
    CHECK(accepted * bytes > ROOM / 4);
    /* It stays so, and nothing is lost by it. */
    size_t more = 0;
    for (int i = 0; i < 200; i++) {
        size_t before = accepted + more;
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.value = value, r.value_len = bytes;
        status = producer_send(p, &r, on_outcome, &outcomes[before]);
        CHECK(status == PRODUCER_OK || status == PRODUCER_ERR_NO_RESOURCES);
        more += status == PRODUCER_OK;
    }
    producer_batch_t *batch = NULL;
    if (producer_batch_new(p, &batch) == PRODUCER_OK) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.value = value, r.value_len = bytes;
        do status = producer_batch_append(batch, &r, NULL);
        while (status == PRODUCER_OK);
        CHECK_STATUS_OR(status, PRODUCER_ERR_NO_RESOURCES, PRODUCER_ERR_BATCH_FULL);
        producer_batch_free(batch);
    }
    CHECK_INT(outcomes_reported(outcomes, RECORDS_MAX), 0);
    limit(0);
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, 1));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(outcomes, accepted + more, PRODUCER_OK);
    struct outcome *last = outcomes_new(1);
    CHECK_OK(send_text(p, "t", 0, "there is memory again", last));
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_ALL(last, 1, PRODUCER_OK);
    free(last);
    free(outcomes);
}

static void closed_without_memory(producer_mock_cluster_t *mock) {
    check_case("closing keeps its time, and reports every record, while there is no memory");
    REQUIRE_OK(producer_mock_cluster_broker_freeze(mock, 1));
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "60000", "buffer.memory", "2000000000",
                                "max.block.ms", "0", NULL);
    outcomes = outcomes_new(RECORDS_MAX);
    limit(address_space() + ROOM);
    producer_status_t status;
    size_t accepted = fill(p, "t", RECORD_BYTES, false, &status);
    CHECK_STATUS(status, PRODUCER_ERR_NO_RESOURCES);
    int64_t began = now_ms();
    CHECK_STATUS(producer_close(p, 200), PRODUCER_ERR_TIMED_OUT);
    CHECK(now_ms() - began < 5000);
    limit(0);
    CHECK_ALL(outcomes, accepted, PRODUCER_ERR_CLOSED);
    free(outcomes);
    REQUIRE_OK(producer_mock_cluster_broker_thaw(mock, 1));
}

int main(void) {
    check_begin();
    memset(value, 'v', sizeof value);
    producer_mock_cluster_t *mock = mock_of(1, "t", 4);
    refused_and_kept(mock, true, RECORD_BYTES, false);
    refused_and_kept(mock, true, 2000, true);
    refused_and_kept(mock, false, RECORD_BYTES, false);
    refused_and_kept(mock, false, RECORD_BYTES, true);
    closed_without_memory(mock);
    producer_mock_cluster_free(mock);
    return check_end();
}
