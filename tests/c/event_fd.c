/* producer_event_fd, producer_capacity_fd and producer_wait_capacity: readable when they say so, and not otherwise. */
#include "check.h"

#include <poll.h>

/* Whether a descriptor is readable within so many milliseconds. */
static bool readable(int fd, int timeout_ms) {
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    int n = poll(&watched, 1, timeout_ms);
    CHECK(n >= 0 && (watched.revents & (POLLERR | POLLHUP | POLLNVAL)) == 0);
    return n == 1;
}

static void reports_wait(producer_mock_cluster_t *mock) {
    check_case("event fd: readable while reports wait, and only then");
    producer_t *p = producer_at(mock);
    int fd = producer_event_fd(p);
    REQUIRE(fd >= 0);
    CHECK_INT(producer_event_fd(p), fd);
    while (producer_poll(p, 0) > 0 || readable(fd, 0)) {} /* whatever news the start has brought */
    struct outcome o[100] = {{0}};
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 20; i++) REQUIRE_OK(send_text(p, "t", 0, "x", &o[round * 20 + i]));
        int64_t deadline = now_ms() + WAIT_MS;
        while (outcomes_reported(o, 100) < (size_t)(round + 1) * 20 && now_ms() < deadline) {
            REQUIRE(readable(fd, WAIT_MS));
            CHECK(readable(fd, 0)); /* level-triggered */
            CHECK(producer_poll(p, 0) >= 0);
        }
        CHECK(!readable(fd, 0));
    }
    CHECK_ALL(o, 100, PRODUCER_OK);

    check_case("event fd: a report taken in part stays readable");
    for (int i = 0; i < 10; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.partition = 0, r.value = "x", r.value_len = 1;
        REQUIRE_OK(producer_send(p, &r, PRODUCER_QUEUE_REPORT, NULL));
    }
    CHECK_OK(producer_flush(p, WAIT_MS));
    producer_report_t out[10] = {{.struct_size = sizeof out[0]}};
    CHECK(readable(fd, 0));
    CHECK_INT(producer_poll_reports(p, out, 9, 0), 9);
    CHECK(readable(fd, 0));
    CHECK_INT(producer_poll_reports(p, out, 9, 0), 1);
    CHECK(!readable(fd, 0));
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void asked_for_late(producer_mock_cluster_t *mock) {
    check_case("event fd: asked for when reports wait already");
    producer_t *p = producer_at(mock);
    struct outcome o[1] = {{0}};
    REQUIRE_OK(send_text(p, "t", 0, "x", &o[0]));
    int64_t deadline = now_ms() + WAIT_MS;
    while (log_end(mock, "t", 0) == 0 && now_ms() < deadline) pause_ms(1);
    int fd = producer_event_fd(p);
    CHECK(readable(fd, WAIT_MS));
    CHECK(wait_for_reports(p, o, 1, WAIT_MS));
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void room(producer_mock_cluster_t *mock) {
    check_case("capacity fd: unreadable after QUEUE_FULL until an eighth is free");
    static char large[8000];
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "max.block.ms", "0", "buffer.memory", "1000000",
                                "delivery.timeout.ms", "120000", NULL);
    int fd = producer_capacity_fd(p);
    REQUIRE(fd >= 0);
    CHECK_INT(producer_capacity_fd(p), fd);
    CHECK(producer_event_fd(p) != fd);
    CHECK(readable(fd, 0));
    REQUIRE_OK(producer_mock_cluster_broker_down(mock, 1));
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 1, r.value = large, r.value_len = sizeof large;
    producer_status_t status = PRODUCER_OK;
    for (int i = 0; i < 1000 && status == PRODUCER_OK; i++) status = producer_send(p, &r, NULL, NULL);
    CHECK_STATUS(status, PRODUCER_ERR_QUEUE_FULL);
    CHECK(!readable(fd, 0));
    CHECK_STATUS(producer_wait_capacity(p, 500000, 0), PRODUCER_ERR_TIMED_OUT);
    CHECK_SAYS(producer_last_error(), "buffer.memory");
    CHECK_STATUS(producer_wait_capacity(p, 500000, 20), PRODUCER_ERR_TIMED_OUT);
    REQUIRE_OK(producer_mock_cluster_broker_up(mock, 1));
    CHECK_OK(producer_wait_capacity(p, 500000, WAIT_MS));
    CHECK(readable(fd, WAIT_MS));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_OK(producer_wait_capacity(p, 1000000, WAIT_MS));
    CHECK_OK(producer_wait_capacity(p, 0, 0));
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void reports_not_taken(producer_mock_cluster_t *mock) {
    check_case("capacity fd: unreadable after REPORTS_NOT_TAKEN until some are taken");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "0", "delivery.reports.max.count", "80", NULL);
    int fd = producer_capacity_fd(p);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.partition = 1, r.value = "x", r.value_len = 1;
    for (int i = 0; i < 80; i++) REQUIRE_OK(producer_send(p, &r, PRODUCER_QUEUE_REPORT, NULL));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK(readable(fd, 0));
    CHECK_STATUS(producer_send(p, &r, PRODUCER_QUEUE_REPORT, NULL), PRODUCER_ERR_REPORTS_NOT_TAKEN);
    CHECK(!readable(fd, 0));
    producer_report_t out[10] = {{.struct_size = sizeof out[0]}};
    CHECK_INT(producer_poll_reports(p, out, 9, 0), 9);
    CHECK(!readable(fd, 0));
    CHECK_INT(producer_poll_reports(p, out, 1, 0), 1);
    CHECK(readable(fd, 0));
    CHECK_OK(producer_send(p, &r, PRODUCER_QUEUE_REPORT, NULL));
    CHECK_OK(producer_close(p, WAIT_MS));
}

static void *wait_for_capacity(void *opaque) {
    CHECK_STATUS(producer_wait_capacity(opaque, 1000000, -1), PRODUCER_ERR_CLOSED);
    return NULL;
}

static void closing_wakes(producer_mock_cluster_t *mock) {
    check_case("wait_capacity: closing wakes it");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "linger.ms", "60000", "buffer.memory", "1000000",
                                "delivery.timeout.ms", "120000", NULL);
    REQUIRE_OK(producer_mock_cluster_broker_down(mock, 1));
    REQUIRE_OK(send_text(p, "t", 1, "x", NULL));
    pthread_t waiter;
    REQUIRE(pthread_create(&waiter, NULL, wait_for_capacity, p) == 0);
    int64_t deadline = now_ms() + WAIT_MS;
    producer_stats_t stats = PRODUCER_STATS_INIT;
    while (stats.senders_waiting == 0 && now_ms() < deadline) {
        CHECK_OK(producer_stats(p, &stats));
        pause_ms(1);
    }
    CHECK_INT(stats.senders_waiting, 1); /* it has got in line */
    CHECK_STATUS(producer_close(p, 0), PRODUCER_ERR_TIMED_OUT);
    pthread_join(waiter, NULL);
    REQUIRE_OK(producer_mock_cluster_broker_up(mock, 1));
}

static void from_callback(const producer_report_t *report, void *opaque) {
    (void)report;
    producer_t *p = *(producer_t **)opaque;
    CHECK_STATUS(producer_wait_capacity(p, 1, 0), PRODUCER_ERR_IN_CALLBACK);
    CHECK(producer_event_fd(p) >= 0);
    CHECK(producer_capacity_fd(p) >= 0);
}

static void bad_input(producer_mock_cluster_t *mock) {
    check_case("bad input");
    producer_t *p = producer_of(producer_mock_cluster_bootstrap_servers(mock), "buffer.memory", "1000000", NULL);
    CHECK_STATUS(producer_event_fd(NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_capacity_fd(NULL), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_wait_capacity(NULL, 1, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(producer_wait_capacity(p, 1, -2), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "timeout_ms");
    CHECK_STATUS(producer_wait_capacity(p, 1000001, 0), PRODUCER_ERR_INVALID_ARGUMENT);
    CHECK_SAYS(producer_last_error(), "buffer.memory is 1000000");
    CHECK_STATUS(producer_wait_capacity(p, SIZE_MAX, -1), PRODUCER_ERR_INVALID_ARGUMENT);
    producer_record_t r = PRODUCER_RECORD_INIT;
    r.topic = "t", r.value = "x", r.value_len = 1;
    CHECK_OK(producer_send(p, &r, from_callback, &p));
    CHECK_OK(producer_flush(p, WAIT_MS));
    CHECK_OK(producer_close(p, WAIT_MS));
    CHECK_STATUS(producer_event_fd(p), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_capacity_fd(p), PRODUCER_ERR_CLOSED);
    CHECK_STATUS(producer_wait_capacity(p, 1, 0), PRODUCER_ERR_CLOSED);
}

int main(void) {
    check_begin();
    producer_mock_cluster_t *mock = mock_of(1, "t", 3);
    asked_for_late(mock);
    reports_wait(mock);
    room(mock);
    reports_not_taken(mock);
    closing_wakes(mock);
    bad_input(mock);
    producer_mock_cluster_free(mock);
    return check_end();
}
