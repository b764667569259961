/*
 * A fuzz target: takes any bytes, and must neither crash nor hang nor leak.
 *
 * Each tests/fuzz/NAME_fuzz.c has one.  It is linked with libFuzzer to look for
 * new inputs (make fuzz NAME=…), or with replay.c, which runs it on the files of
 * tests/fuzz/corpus/NAME.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* The name and the zero that libFuzzer wants. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
