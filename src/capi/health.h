/** The value a producer_health_t begins with: its size set, everything else empty. */
#define PRODUCER_HEALTH_INIT                                                                                         \
    {                                                                                                                \
        sizeof(producer_health_t), PRODUCER_HEALTH_CONNECTING, 0, 0, 0, ""                                           \
    }
