/** The value a producer_property_t begins with: its size set, everything else empty. */
#define PRODUCER_PROPERTY_INIT                                                                                       \
    {                                                                                                                \
        sizeof(producer_property_t), NULL, NULL, NULL, NULL, NULL, NULL, false                                       \
    }
