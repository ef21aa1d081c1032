// The simulated recv() and send() copy long pieces with a loop of ours. memcpy has one instruction do it, which some
// processors do up to 25 times slower where the target lies a few bytes further into a page than the source: then the
// place that malloc chose for a buffer would decide who is ahead.
#include "bench.h"

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2"))) static size_t copy_blocks(uint8_t *to, const uint8_t *from, size_t n) {
    size_t at = 0;
    for (; at + 128 <= n; at += 128) {
        auto *source = (const __m256i *) (from + at);
        auto *target = (__m256i *) (to + at);
        __m256i a = _mm256_loadu_si256(source), b = _mm256_loadu_si256(source + 1);
        __m256i c = _mm256_loadu_si256(source + 2), d = _mm256_loadu_si256(source + 3);
        _mm256_storeu_si256(target, a);
        _mm256_storeu_si256(target + 1, b);
        _mm256_storeu_si256(target + 2, c);
        _mm256_storeu_si256(target + 3, d);
    }
    return at;
}

extern "C" void bench_copy_long(void *to, const void *from, size_t n) {
    size_t done = __builtin_cpu_supports("avx2") ? copy_blocks((uint8_t *) to, (const uint8_t *) from, n) : 0;
    memcpy((uint8_t *) to + done, (const uint8_t *) from + done, n - done);
}
#else
extern "C" void bench_copy_long(void *to, const void *from, size_t n) { memcpy(to, from, n); }
#endif
