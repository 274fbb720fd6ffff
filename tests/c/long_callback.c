/* Closing while another thread is inside a callback that takes its time. */
#include "check.h"

#define RECORDS 50

static atomic_int entered, leave;

static void slow(const producer_report_t *report, void *opaque) {
    int64_t deadline = now_ms() + WAIT_MS;
    atomic_store(&entered, 1);
    while (!atomic_load(&leave) && now_ms() < deadline) pause_ms(5);
    on_outcome(report, opaque);
}

static void *poll_once(void *opaque) {
    int32_t n = producer_poll(opaque, WAIT_MS);
    CHECK(n >= 1);
    return NULL;
}

static void *leave_soon(void *opaque) {
    pause_ms(300);
    atomic_store(&leave, 1);
    return opaque;
}

static void run(bool comes_back_in_time) {
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_at(mock);
    struct outcome *o = outcomes_new(RECORDS);
    pthread_t poller, releaser;
    atomic_store(&entered, 0);
    atomic_store(&leave, 0);
    REQUIRE(pthread_create(&poller, NULL, poll_once, p) == 0);
    for (int i = 0; i < RECORDS; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.value = "v", r.value_len = 1;
        REQUIRE_OK(producer_send(p, &r, slow, &o[i]));
    }
    while (!atomic_load(&entered)) pause_ms(1);
    int64_t began = now_ms();
    if (comes_back_in_time) {
        REQUIRE(pthread_create(&releaser, NULL, leave_soon, NULL) == 0);
        CHECK_OK(producer_close(p, WAIT_MS));
        CHECK_INT(outcomes_reported(o, RECORDS), RECORDS);
        pthread_join(releaser, NULL);
    } else {
        CHECK_STATUS(producer_close(p, 0), PRODUCER_ERR_TIMED_OUT);
        CHECK(now_ms() - began < 8000);
        CHECK_STATUS(producer_poll(p, 0), PRODUCER_ERR_CLOSED);
        CHECK_STATUS(producer_close(p, 0), PRODUCER_ERR_CLOSED);
        atomic_store(&leave, 1);
    }
    pthread_join(poller, NULL);
    CHECK_OUTCOMES(o, RECORDS);
    CHECK_STATUS(producer_poll(p, 0), PRODUCER_ERR_CLOSED);
    producer_mock_cluster_free(mock);
    free(o);
}

static void *poll_for_one(void *opaque) {
    /* Closing may come before or after the call has its report: how many it says does not matter here. */
    (void)producer_poll(opaque, WAIT_MS);
    return NULL;
}

static void *leave_later(void *opaque) {
    pause_ms(*(int *)opaque);
    atomic_store(&leave, 1);
    return NULL;
}

/* What is finished while a callback runs is reported once, whoever gives up waiting first. */
static void second_lot(int leave_after_ms) {
    producer_mock_cluster_t *mock = mock_of(1, "t", 1);
    producer_t *p = producer_at(mock);
    struct outcome *o = outcomes_new(2 * RECORDS);
    pthread_t poller, releaser;
    atomic_store(&entered, 0);
    atomic_store(&leave, 0);
    REQUIRE(pthread_create(&poller, NULL, poll_for_one, p) == 0);
    for (int i = 0; i < 2 * RECORDS; i++) {
        producer_record_t r = PRODUCER_RECORD_INIT;
        r.topic = "t", r.value = "v", r.value_len = 1;
        if (i == RECORDS) {
            while (!atomic_load(&entered)) pause_ms(1);
        }
        REQUIRE_OK(producer_send(p, &r, i == 0 ? slow : on_outcome, &o[i]));
    }
    REQUIRE(pthread_create(&releaser, NULL, leave_later, &leave_after_ms) == 0);
    CHECK_STATUS(producer_close(p, 0), PRODUCER_ERR_TIMED_OUT);
    pthread_join(releaser, NULL);
    pthread_join(poller, NULL);
    for (int i = 0; i < 2 * RECORDS; i++) CHECK_INT(atomic_load(&o[i].reports), 1);
    CHECK_STATUS(producer_poll(p, 0), PRODUCER_ERR_CLOSED);
    producer_mock_cluster_free(mock);
    free(o);
}

int main(void) {
    check_begin();
    check_case("it returns soon: closing waits for it");
    run(true);
    check_case("it does not: closing ends all the same, and it reports what is left");
    run(false);
    check_case("it returns after the reports were given up, before the producer is");
    second_lot(1300);
    check_case("it returns after both: it reports what came meanwhile");
    second_lot(2500);
    return check_end();
}
