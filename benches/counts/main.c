/* Runs one workload through the C ABI, so that valgrind can count its instructions: `counts NAME [MESSAGES]`.
 *
 * Everything is gone through once before the counting starts, so that start-up, first allocations and the linking of
 * functions are not in it. Natively, without valgrind, it does the same and counts nothing.
 *
 *     counts --list       the workloads
 *     counts --machine    what the library finds in this processor, or in the one that valgrind shows it
 */

#include "counts.h"

#include <string.h>
#include <valgrind/callgrind.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* Of all that the library and its dependencies look at before they choose a kernel. */
static void print_machine(void) {
    unsigned a, b, c, d, b7 = 0;
    CHECK(__get_cpuid(1, &a, &b, &c, &d));
    (void)__get_cpuid_count(7, 0, &a, &b7, &a, &a);
    printf("x86_64%s%s%s%s%s%s%s\n", c & bit_SSE4_2 ? " sse4.2" : "", c & bit_PCLMUL ? " pclmulqdq" : "",
           b7 & bit_AVX2 ? " avx2" : "", b7 & bit_BMI2 ? " bmi2" : "", b7 & bit_SHA ? " sha" : "",
           b7 & bit_AVX512F ? " avx512f" : "", b7 & bit_AVX512BW ? " avx512bw" : "");
}
#elif defined(__aarch64__)
static void print_machine(void) {
    puts("aarch64");
}
#else
static void print_machine(void) {
    puts("unknown");
}
#endif

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list_workloads();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--machine") == 0) {
        print_machine();
        return 0;
    }
    const workload *load = argc == 2 || argc == 3 ? find_workload(argv[1]) : NULL;
    if (load == NULL) {
        fputs("usage: counts WORKLOAD [MESSAGES] | --list | --machine\n", stderr);
        return 2;
    }
    job *what = prepare(load, argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0);

    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_TOGGLE_COLLECT;
    unsigned messages = run(what);
    CALLGRIND_TOGGLE_COLLECT;
    CALLGRIND_STOP_INSTRUMENTATION;

    end(what);
    printf("%u\n", messages);
    return 0;
}
