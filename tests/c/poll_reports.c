/* producer_poll_reports: reports as an array, in part, kept for it, from many threads at once, and bad input. */
#include "check.h"

#define RECORDS 10000
#define PARTITIONS 4
#define THREADS 16
#define PER_THREAD 4000

static producer_report_t *reports_new(size_t count) {
    producer_report_t *out = calloc(count, sizeof *out);
    REQUIRE(out != NULL);
    out[0].struct_size = sizeof *out;
    return out;
}

static void never(const producer_report_t *report, void *opaque) {
    (void)report, (void)opaque;
    CHECK(!"a copied report's callback was run");
}

static void count_call(const producer_report_t *report, void *opaque) {
    (void)report;
    atomic_fetch_add((atomic_int *)opaque, 1);
}

static void in_parts(producer_mock_cluster_t *mock) {
    check_case("copied in order and in parts, their callbacks not run");
    producer_t *p = producer_at(mock);
    producer_report_t *out = reports_new(7);
    for (size_t i = 0; i < RECORDS; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.partition = (int32_t)(i % PARTITIONS), r.value = "0123456789", r.value_len = i % 10;
        REQUIRE_OK(producer_send(p, &r, i % 2 == 0 ? never : PRODUCER_QUEUE_REPORT, (void *)(uintptr_t)(i + 1)));
    }
    size_t seen = 0, last[PARTITIONS] = {0};
    int64_t deadline = now_ms() + WAIT_MS;
    while (seen < RECORDS && now_ms() < deadline) {
        int32_t n = producer_poll_reports(p, out, 7, 1000);
        if (!CHECK(n >= 0 && n <= 7)) break;
        for (int32_t i = 0; i < n; i++, seen++) {
            size_t number = (size_t)(uintptr_t)out[i].opaque - 1;
            bool ok = number < RECORDS && out[i].status == PRODUCER_OK && out[i].struct_size == sizeof *out;
            ok = ok && strcmp(out[i].topic, "t") == 0 && out[i].partition == (int32_t)(number % PARTITIONS);
            ok = ok && out[i].offset == (int64_t)(number / PARTITIONS) && out[i].value_len == (int64_t)(number % 10) && out[i].error_text == NULL;
            if (!CHECK(ok) || !CHECK(number >= last[out[i].partition])) break;
            last[out[i].partition] = number;
        }
    }
    CHECK_INT(seen, RECORDS);
    CHECK_INT(producer_poll_reports(p, out, 7, 0), 0);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(out);
}

static void kept(producer_mock_cluster_t *mock) {
    check_case("QUEUE_REPORT: poll and flush leave it, it counts, and it is taken in order");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "delivery.reports.max.count", "100", NULL);
    producer_report_t *out = reports_new(200);
    atomic_int calls = 0;
    for (size_t i = 0; i < 100; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.partition = 1, r.value = "kept", r.value_len = 4;
        REQUIRE_OK(i % 2 == 0 ? producer_send(p, &r, PRODUCER_QUEUE_REPORT, (void *)(uintptr_t)i) : producer_send(p, &r, count_call, &calls));
    }
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(calls, 50);
    CHECK_INT(producer_poll(p, 0), 0);
    for (int i = 0; i < 50; i++) REQUIRE_OK(send_text(p, "t", 1, "unheard", NULL));
    struct outcome o[50] = {{0}};
    for (int i = 0; i < 50; i++) REQUIRE_OK(send_text(p, "t", 1, "heard", &o[i]));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_ALL(o, 50, PRODUCER_OK);
    CHECK_INT(producer_poll_reports(p, out, 20, 0), 20);
    CHECK_INT(producer_poll_reports(p, out + 20, 180, 0), PRODUCER_ERR_INVALID_ARGUMENT); /* its size is not set */
    out[20].struct_size = sizeof *out;
    CHECK_INT(producer_poll_reports(p, out + 20, 180, 0), 30);
    for (size_t i = 0; i < 50; i++)
        if (!CHECK((uintptr_t)out[i].opaque == 2 * i)) break;
    for (int i = 0; i < 100; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.partition = 1, r.value = "k", r.value_len = 1;
        REQUIRE_OK(producer_send(p, &r, PRODUCER_QUEUE_REPORT, NULL));
    }
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_STATUS(send_text(p, "t", 1, "heard", &o[0]), PRODUCER_ERR_REPORTS_NOT_TAKEN);
    CHECK_INT(producer_poll_reports(p, out, 1, 0), 1);
    CHECK_OK(send_text(p, "t", 1, "heard", NULL));
    CHECK_OK(producer_close(p, WAIT_MS)); /* what is left is dropped with the producer */
    free(out);
}

static void texts(producer_mock_cluster_t *mock) {
    check_case("strings of failures live until this thread's next call");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "60000", "delivery.timeout.ms", "120000", NULL);
    producer_report_t *out = reports_new(10);
    for (int i = 0; i < 10; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.partition = 2, r.value = "x", r.value_len = 1;
        REQUIRE_OK(producer_send(p, &r, PRODUCER_QUEUE_REPORT, NULL));
    }
    CHECK_OK(producer_purge(p, PRODUCER_PURGE_QUEUED | PRODUCER_PURGE_IN_FLIGHT));
    int32_t n = producer_poll_reports(p, out, 6, WAIT_MS);
    CHECK_INT(n, 6);
    for (int32_t i = 0; i < n; i++) {
        CHECK_STATUS(out[i].status, PRODUCER_ERR_PURGED);
        CHECK(out[i].error_text != NULL && strlen(out[i].error_text) > 10);
        CHECK_INT(out[i].persisted, PRODUCER_PERSISTED_NO);
    }
    CHECK_INT(producer_poll_reports(p, out, 10, WAIT_MS), 4);
    CHECK(strlen(out[3].error_text) > 10);
    CHECK_OK(producer_close(p, WAIT_MS));
    free(out);
}

/* ---- sixteen threads, each of which sends and hears in one way or the other: every record is heard of once ---- */

static producer_t *shared;
static atomic_int heard[THREADS * PER_THREAD];
static atomic_int missing;

static void hear(uintptr_t number) {
    if (!CHECK(number < THREADS * PER_THREAD)) return;
    if (!CHECK_INT(atomic_fetch_add(&heard[number], 1), 0)) return;
    atomic_fetch_sub(&missing, 1);
}

static void on_heard(const producer_report_t *report, void *opaque) {
    CHECK_STATUS(report->status, PRODUCER_OK);
    hear((uintptr_t)opaque);
}

static void *send_and_hear(void *opaque) {
    size_t me = (size_t)(uintptr_t)opaque;
    producer_report_t *out = reports_new(100);
    int64_t deadline = now_ms() + WAIT_MS;
    size_t sent = 0;
    while (atomic_load(&missing) > 0 && now_ms() < deadline) {
        for (int burst = 0; burst < 50 && sent < PER_THREAD; burst++, sent++) {
            size_t number = me * PER_THREAD + sent;
            producer_record_t r = PRODUCER_RECORD_INIT;
            r.topic = "t", r.value = "shared", r.value_len = 6;
            REQUIRE_OK(producer_send(shared, &r, number % 3 == 0 ? PRODUCER_QUEUE_REPORT : on_heard, (void *)(uintptr_t)number));
        }
        if (me % 2 == 0) {
            REQUIRE(producer_poll(shared, sent < PER_THREAD ? 0 : 5) >= 0);
            continue;
        }
        int32_t n = producer_poll_reports(shared, out, 1 + me * 6, sent < PER_THREAD ? 0 : 5);
        REQUIRE(n >= 0);
        for (int32_t i = 0; i < n; i++) {
            CHECK_STATUS(out[i].status, PRODUCER_OK);
            hear((uintptr_t)out[i].opaque);
        }
    }
    free(out);
    return NULL;
}

static void from_many_threads(producer_mock_cluster_t *mock) {
    check_case("16 threads poll and copy at once: each record is heard of exactly once");
    shared = producer_at(mock);
    atomic_store(&missing, THREADS * PER_THREAD);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) REQUIRE(pthread_create(&threads[i], NULL, send_and_hear, (void *)(uintptr_t)i) == 0);
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK_INT(missing, 0);
    CHECK_OK(producer_close(shared, WAIT_MS));
}

static void from_callback(const producer_report_t *report, void *opaque) {
    producer_t *p = *(producer_t **)opaque;
    producer_report_t out = *report;
    CHECK_STATUS(producer_poll_reports(p, &out, 1, 0), PRODUCER_ERR_IN_CALLBACK);
}

static void bad_input(producer_mock_cluster_t *mock) {
    check_case("bad input");
    producer_t *p = producer_at(mock);
    producer_report_t *out = reports_new(2);
    CHECK_STATUS(producer_poll_reports(NULL, out, 1, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_poll_reports(p, NULL, 1, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "out");
    CHECK_STATUS(producer_poll_reports(p, out, 0, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "max");
    CHECK_STATUS(producer_poll_reports(p, out, 1, -2), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "timeout_ms");
    size_t wrong[] = {0, 8, sizeof *out - 8, sizeof *out + 1, 4096, SIZE_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        out[0].struct_size = wrong[i];
        CHECK_STATUS(producer_poll_reports(p, out, 1, 0), PRODUCER_ERR_INVALID_ARGUMENT);
        CHECK_SAYS(producer_last_error(), "struct_size");
    }
    out[0].struct_size = sizeof *out;
    CHECK_INT(producer_poll_reports(p, out, SIZE_MAX, 0), 0);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.value = "x", r.value_len = 1;
    CHECK_OK(producer_send(p, &r, from_callback, &p));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_STATUS(producer_poll_reports(p, out, 1, 0), PRODUCER_ERR_CLOSED);
    free(out);
}

/* A program of a later version knows larger reports. */
static void larger_reports(producer_mock_cluster_t *mock) {
    check_case("larger reports of a later version are spaced as that says, the rest zero");
    struct later {
        producer_report_t known;
        int64_t more[2];
    } out[3];
    memset(out, 0xAA, sizeof out);
    out[0].known.struct_size = sizeof out[0];
    producer_t *p = producer_at(mock);
    for (int i = 0; i < 3; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.partition = 0, r.value = "x", r.value_len = 1;
        CHECK_OK(producer_send(p, &r, PRODUCER_QUEUE_REPORT, (void *)(uintptr_t)(i + 5)));
    }
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_INT(producer_poll_reports(p, &out[0].known, 3, 0), 3);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(out[i].known.struct_size, sizeof out[i]);
        CHECK_INT((uintptr_t)out[i].known.opaque, i + 5);
        CHECK_INT(out[i].more[0] | out[i].more[1], 0);
    }
    CHECK_OK(producer_close(p, WAIT_MS));
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(1, "t", PARTITIONS);
    in_parts(mock);
    kept(mock);
    texts(mock);
    from_many_threads(mock);
    larger_reports(mock);
    bad_input(mock);
    producer_mock_cluster_free(mock);
    return check_end();
}
