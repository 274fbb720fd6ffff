/** The value a producer_metadata_broker_t begins with: its size set, everything else empty. */
#define PRODUCER_METADATA_BROKER_INIT                                                                                \
    {                                                                                                                \
        sizeof(producer_metadata_broker_t), -1, NULL, -1, NULL, false                                                \
    }

/** The value a producer_metadata_topic_t begins with: its size set, everything else empty. */
#define PRODUCER_METADATA_TOPIC_INIT                                                                                 \
    {                                                                                                                \
        sizeof(producer_metadata_topic_t), NULL, PRODUCER_OK, 0                                                      \
    }

/** The value a producer_metadata_partition_t begins with: its size set, everything else empty. */
#define PRODUCER_METADATA_PARTITION_INIT                                                                             \
    {                                                                                                                \
        sizeof(producer_metadata_partition_t), -1, PRODUCER_OK, -1, -1, NULL, 0, NULL, 0, NULL, 0                    \
    }
