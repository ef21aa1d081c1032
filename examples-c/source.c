/* source.c: see source.h. */
#include "source.h"

#include <string.h>

void source_open(struct source *source, FILE *file)
{
    source->file = file;
    source->peeked_pos = 0;
    source->peeked_len = fread(source->peeked, 1, sizeof source->peeked, file);
    memset(source->peeked + source->peeked_len, 0, sizeof source->peeked - source->peeked_len);
}

size_t source_read(struct source *source, void *to, size_t len)
{
    size_t peeked = source->peeked_len - source->peeked_pos;
    if (peeked > len)
        peeked = len;
    memcpy(to, source->peeked + source->peeked_pos, peeked);
    source->peeked_pos += peeked;
    return peeked + fread((char *)to + peeked, 1, len - peeked, source->file);
}

bool source_skip(struct source *source, uint64_t len)
{
    uint8_t scrap[4096];
    while (len > 0) {
        size_t part = len < sizeof scrap ? (size_t)len : sizeof scrap;
        if (source_read(source, scrap, part) < part)
            return false;
        len -= part;
    }
    return true;
}
