/* Many records in one call, reports as an array, descriptors for event loops. */
#include "storm.h"

#include <poll.h>

#define MANY 16

static const producer_delivery_fn queued = PRODUCER_QUEUE_REPORT;

/* Marks which of `count` records beginning at `first` were accepted; queued reports need not be taken before the end. */
static void note(struct storm_thread *t, size_t first, size_t count, const producer_status_t *statuses, bool kept) {
    for (size_t i = 0; i < count; i++)
        if (statuses[i] == PRODUCER_OK) t->accepted[first + i] = kept ? STORM_MAY_BE_REPORTED : STORM_IS_REPORTED;
}

producer_status_t storm_send_many(struct storm_thread *t) {
    producer_record_t records[MANY];
    void *opaques[MANY];
    producer_status_t statuses[MANY];
    size_t count = 1 + storm_dice(t, MANY), accepted = 0, ok = 0;
    if (t->records + count > STORM_RECORDS) return PRODUCER_OK;
    for (size_t i = 0; i < count; i++) {
        records[i] = storm_fill(t);
        opaques[i] = &t->reports[t->records + i];
    }
    if (storm_dice(t, 4) == 0) return producer_send_many(t->round->producer, records, count, NULL, NULL, &accepted);
    bool kept = storm_dice(t, 2);
    size_t first = t->records;
    t->records += count;
    for (size_t i = 0; i < count; i++) statuses[i] = PRODUCER_ERR_CLOSED;
    producer_status_t status =
        producer_send_many_status(t->round->producer, records, count, kept ? queued : storm_on_report, opaques, statuses, &accepted);
    for (size_t i = 0; i < count; i++) ok += statuses[i] == PRODUCER_OK;
    CHECK_INT(accepted, ok);
    note(t, first, count, statuses, kept);
    return status;
}

producer_status_t storm_send_flat(struct storm_thread *t) {
    static const char bytes[MANY * 8] = "flat";
    int32_t lens[MANY], partitions[MANY];
    void *opaques[MANY];
    producer_status_t statuses[MANY];
    size_t count = 1 + storm_dice(t, MANY), accepted = 0;
    if (t->records + count > STORM_RECORDS) return PRODUCER_OK;
    producer_flat_records_t flat = PRODUCER_FLAT_RECORDS_INIT;
    for (size_t i = 0; i < count; i++) {
        lens[i] = (int32_t)storm_dice(t, 9) - 1;
        partitions[i] = (int32_t)storm_dice(t, 3) - 1;
        opaques[i] = &t->reports[t->records + i];
        if (lens[i] > 0) flat.values_len += (size_t)lens[i];
        statuses[i] = PRODUCER_ERR_CLOSED;
    }
    flat.topic = t->round->names[storm_dice(t, STORM_TOPICS)], flat.count = count;
    flat.values = bytes, flat.value_lens = lens, flat.partitions = partitions;
    flat.callback = queued, flat.opaques = opaques;
    size_t first = t->records;
    t->records += count;
    producer_status_t status = producer_send_flat(t->round->producer, &flat, statuses, &accepted);
    note(t, first, count, statuses, true);
    return status;
}

producer_status_t storm_poll_reports(struct storm_thread *t) {
    producer_report_t reports[64];
    reports[0].struct_size = sizeof reports[0];
    int32_t n = producer_poll_reports(t->round->producer, reports, 1 + storm_dice(t, 64), (int32_t)storm_dice(t, 5));
    for (int32_t i = 0; i < n; i++) {
        CHECK(strlen(reports[i].topic) > 0 && (reports[i].status == PRODUCER_OK || reports[i].error_text == NULL || strlen(reports[i].error_text) > 0));
        if (reports[i].opaque != NULL) storm_on_report(&reports[i], reports[i].opaque);
    }
    return n < 0 ? n : PRODUCER_OK;
}

producer_status_t storm_event_loop(struct storm_thread *t) {
    struct pollfd fds[2];
    fds[0] = (struct pollfd){producer_event_fd(t->round->producer), POLLIN, 0};
    fds[1] = (struct pollfd){producer_capacity_fd(t->round->producer), POLLIN, 0};
    if (fds[0].fd < 0) return fds[0].fd;
    if (fds[1].fd < 0) return fds[1].fd;
    if (poll(fds, 2, 1) < 0) CHECK(false); /* a descriptor that was closed meanwhile is POLLNVAL, not an error */
    return producer_wait_capacity(t->round->producer, 1 + storm_dice(t, 5000), (int32_t)storm_dice(t, 5));
}

/* Ends its dispatch: those behind it are for the next one. */
static void report_and_yield(const producer_report_t *report, void *opaque) {
    struct storm_yield *y = opaque;
    producer_status_t status = producer_yield(y->producer);
    CHECK(status == PRODUCER_OK || status == PRODUCER_ERR_CLOSED || status == PRODUCER_ERR_STATE);
    storm_on_report(report, y->reports);
    free(y);
}

producer_status_t storm_yield(struct storm_thread *t) {
    size_t place = storm_record(t);
    if (place == STORM_RECORDS) return PRODUCER_OK;
    producer_future_t *future = NULL;
    producer_record_t r = storm_fill(t);
    producer_status_t status = producer_send_future(t->round->producer, &r, &future);
    if (status != PRODUCER_OK) return status;
    struct storm_yield *y = malloc(sizeof *y);
    REQUIRE(y != NULL);
    *y = (struct storm_yield){t->round->producer, &t->reports[place]};
    t->accepted[place] = STORM_IS_REPORTED;
    /* Awaiting or a callback that comes late runs it outside any dispatch: then there is nothing to end. */
    CHECK_OK(producer_future_when_complete(future, report_and_yield, y));
    producer_future_free(future);
    return PRODUCER_OK;
}
