/**
 * The value a producer_record_t begins with: its size set, no topic, no key, a null value, any partition, the time of the
 * call, the configured delivery time and acks.
 */
#define PRODUCER_RECORD_INIT                                                                                         \
    {                                                                                                                \
        sizeof(producer_record_t), NULL, NULL, PRODUCER_PARTITION_ANY, NULL, 0, NULL, 0, NULL, 0,                    \
            PRODUCER_TIMESTAMP_NOW, PRODUCER_TIMEOUT_DEFAULT, PRODUCER_ACKS_DEFAULT                                  \
    }
