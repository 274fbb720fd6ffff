/** The value a producer_interceptor_t begins with: its size set, no name, no functions. */
#define PRODUCER_INTERCEPTOR_INIT                                                                                    \
    {                                                                                                                \
        sizeof(producer_interceptor_t), NULL, NULL, NULL, NULL, NULL                                                 \
    }
