/** The value a producer_flat_records_t begins with: its size set, no records, no keys, any partition, the time of the call. */
#define PRODUCER_FLAT_RECORDS_INIT                                                                                   \
    {                                                                                                                \
        sizeof(producer_flat_records_t), NULL, NULL, 0, NULL, 0, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, 0      \
    }
