/* clock.h - what time things take: monotonic. */
#ifndef RULES_CLOCK_H
#define RULES_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t rules_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
static inline uint64_t rules_clock_us(void)
{
    return rules_clock_ns() / 1000;
}

#endif
