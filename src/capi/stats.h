/** The value a producer_stats_t begins with: its size set, every number 0. */
#define PRODUCER_STATS_INIT                                                                                          \
    {                                                                                                                \
        sizeof(producer_stats_t),                                                                                    \
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,                \
            0, 0, 0, 0, 0, 0, 0,                                                                                     \
            {0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0},                                              \
            0, 0, 0, 0                                                                                               \
    }
