/* input.c: see input.h. */
#include "input.h"

#include <string.h>

void input_open(struct input *input, FILE *file)
{
    input->file = file;
    input->peeked_pos = 0;
    input->peeked_len = fread(input->peeked, 1, sizeof input->peeked, file);
    memset(input->peeked + input->peeked_len, 0, sizeof input->peeked - input->peeked_len);
}

size_t input_read(struct input *input, void *to, size_t len)
{
    size_t peeked = input->peeked_len - input->peeked_pos;
    if (peeked > len)
        peeked = len;
    memcpy(to, input->peeked + input->peeked_pos, peeked);
    input->peeked_pos += peeked;
    return peeked + fread((char *)to + peeked, 1, len - peeked, input->file);
}

bool input_skip(struct input *input, uint64_t len)
{
    uint8_t scrap[4096];
    while (len > 0) {
        size_t part = len < sizeof scrap ? (size_t)len : sizeof scrap;
        if (input_read(input, scrap, part) < part)
            return false;
        len -= part;
    }
    return true;
}
