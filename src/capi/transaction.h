/** The value a producer_offset_t begins with: its size set, no topic, partition or offset, an unknown leader epoch. */
#define PRODUCER_OFFSET_INIT                                                                                         \
    {                                                                                                                \
        sizeof(producer_offset_t), NULL, -1, -1, -1, NULL                                                            \
    }
/** The value a producer_group_t begins with: its size set, no group, no member. */
#define PRODUCER_GROUP_INIT                                                                                          \
    {                                                                                                                \
        sizeof(producer_group_t), NULL, -1, NULL, NULL                                                               \
    }
