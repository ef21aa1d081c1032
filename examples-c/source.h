/* source.h: a file or stdin whose first bytes can be looked at before they are read. */
#ifndef EXAMPLES_SOURCE_H
#define EXAMPLES_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct source {
    FILE *file;
    uint8_t peeked[4096];
    size_t peeked_len;
    size_t peeked_pos; /* bytes of it that were read */
};

/* Looks at the first bytes: as many as there are, up to the size of `peeked`. */
void source_open(struct source *source, FILE *file);

/* Reads up to `len` bytes; fewer only at the end. */
size_t source_read(struct source *source, void *to, size_t len);

/* Skips `len` bytes; false if there are fewer. */
bool source_skip(struct source *source, uint64_t len);

#endif
