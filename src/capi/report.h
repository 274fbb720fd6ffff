/**
 * As the callback of a record that wants a report and no call: the report waits until producer_poll_reports takes it, while
 * producer_poll, producer_flush and the others run the callbacks of other records. It counts towards
 * delivery.reports.max.count until then; what is left when the producer is closed is dropped, so flush and take it before.
 * Languages without this macro give the number 2 as the callback's address.
 */
#define PRODUCER_QUEUE_REPORT ((producer_delivery_fn)2)
