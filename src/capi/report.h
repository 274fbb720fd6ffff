/**
 * As the callback of a record that wants a report and no call: the report waits until producer_poll_reports takes it, while
 * producer_poll, producer_flush and the others run the callbacks of other records. It counts towards
 * delivery.reports.max.count until then; what is left when the producer is closed is dropped, so flush and take it before.
 * Languages without this macro give the number 2 as the callback's address.
 */
#define PRODUCER_QUEUE_REPORT ((producer_delivery_fn)2)
/** The value that a producer_report_t begins with when the library is to fill it in: its size set, nothing else. */
#define PRODUCER_REPORT_INIT                                                                                         \
    {                                                                                                                \
        sizeof(producer_report_t), 0, NULL, -1, -1, 0, 0, -1, -1, 0, 0, -1, 0, 0, NULL, NULL, 0                      \
    }
