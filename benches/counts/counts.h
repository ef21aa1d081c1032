/* What the parts of the program share: the bytes that a connection is given, and what is done with them. */

#ifndef COUNTS_H
#define COUNTS_H

#include "ws_engine.h"

#include "../../tests/c/check.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- bytes.c: what messages are made of ---- */

typedef struct {
    uint8_t *bytes;
    size_t len;
    size_t room;
} buffer;

void buffer_add(buffer *to, const void *bytes, size_t len);
void buffer_free(buffer *what);

typedef enum { ASCII, CHINESE, JSON, BINARY, PING } content;

/* Fills `size` bytes with message number `index`; only of JSON each is another. */
void make_payload(content what, unsigned index, uint8_t *payload, size_t size);

/* Adds a whole frame as a client sends it, under a key that follows from `index`. */
void add_client_frame(buffer *to, content what, unsigned index, const uint8_t *payload, size_t size);

/* Copies without the C library, in place of the kernel: what it costs is not the engine's and is not counted. */
void copy_as_the_kernel(uint8_t *to, const uint8_t *from, size_t len);

/* ---- workloads.c: what is counted ---- */

typedef struct workload workload;
typedef struct job job;

/* The workload of that name; NULL if there is none. */
const workload *find_workload(const char *name);

/* Prints the name of each. */
void list_workloads(void);

/* Makes what is needed and goes through all messages once, looking closely at what comes out. */
job *prepare(const workload *load, unsigned messages);

/* Goes through as many messages again: what is counted. Returns their number. */
unsigned run(job *what);

void end(job *what);

#endif
