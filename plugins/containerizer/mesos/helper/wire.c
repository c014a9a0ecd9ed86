#include "wire.h"

#include <stdlib.h>
#include <string.h>

#define FIELD_HEAD 5u

static void put_u32(char *at, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (char)(unsigned char)(v >> (8 * i));
    }
}

static uint32_t get_u32(const char *at)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < 4; i++) {
        v |= (uint32_t)(unsigned char)at[i] << (8 * i);
    }
    return v;
}

/* Room for len more bytes, or NULL with the sticky failure set. */
static char *grow(struct nat_out *o, size_t len)
{
    if (o->failed || len > NAT_FRAME_MAX || o->len + len > NAT_FRAME_MAX) {
        o->failed = true;
        return NULL;
    }
    if (o->len + len > o->cap) {
        size_t cap = o->cap != 0 ? o->cap : 256;
        while (cap < o->len + len) {
            cap *= 2;
        }
        char *more = realloc(o->data, cap);
        if (more == NULL) {
            o->failed = true;
            return NULL;
        }
        o->data = more;
        o->cap = cap;
    }
    char *at = o->data + o->len;
    o->len += len;
    return at;
}

/* Head of a field whose content, len bytes, the caller writes; the NUL is set here. */
static char *grow_field(struct nat_out *o, enum nat_key key, size_t len)
{
    if (len > NAT_FRAME_MAX) {
        o->failed = true;
        return NULL;
    }
    char *at = grow(o, FIELD_HEAD + len + 1);
    if (at == NULL) {
        return NULL;
    }
    at[0] = (char)key;
    put_u32(at + 1, (uint32_t)len);
    at[FIELD_HEAD + len] = '\0';
    return at + FIELD_HEAD;
}

/* Start a frame in place of what the buffer held. */
void nat_out_begin(struct nat_out *o, enum nat_frame_type type)
{
    o->len = 0;
    o->failed = false;
    char *at = grow(o, NAT_FRAME_HEAD);
    if (at != NULL) {
        put_u32(at, 0);
        at[4] = (char)type;
    }
}

/* Append a field of raw bytes. */
void nat_out_bytes(struct nat_out *o, enum nat_key key, const void *data, size_t len)
{
    char *at = grow_field(o, key, len);
    if (at != NULL && len > 0) {
        memcpy(at, data, len);
    }
}

/* Append a text field. */
void nat_out_text(struct nat_out *o, enum nat_key key, const char *text)
{
    nat_out_bytes(o, key, text, strlen(text));
}

/* Append a number, always 8 bytes. */
void nat_out_u64(struct nat_out *o, enum nat_key key, uint64_t value)
{
    char bytes[8];
    put_u32(bytes, (uint32_t)value);
    put_u32(bytes + 4, (uint32_t)(value >> 32));
    nat_out_bytes(o, key, bytes, sizeof(bytes));
}

/* Append a field of an optional flag byte and one or two texts. */
void nat_out_pair(struct nat_out *o,
                  enum nat_key key,
                  const uint8_t *flags,
                  const char *first,
                  const char *second)
{
    size_t flag_len = flags != NULL ? 1 : 0;
    size_t first_len = strlen(first);
    size_t second_len = second != NULL ? strlen(second) + 1 : 0; /* with the NUL before */
    char *at = grow_field(o, key, flag_len + first_len + second_len);
    if (at == NULL) {
        return;
    }
    if (flags != NULL) {
        *at++ = (char)*flags;
    }
    memcpy(at, first, first_len);
    if (second != NULL) {
        at[first_len] = '\0';
        memcpy(at + first_len + 1, second, second_len - 1);
    }
}

/* Fill in the length. False: the frame could not be built. */
bool nat_out_end(struct nat_out *o)
{
    if (o->failed || o->len < NAT_FRAME_HEAD) {
        return false;
    }
    put_u32(o->data, (uint32_t)(o->len - 4));
    return true;
}

/* Free the memory; the struct is empty after. */
void nat_out_release(struct nat_out *o)
{
    free(o->data);
    *o = (struct nat_out){0};
}

/* Take one frame from the front of data. */
long nat_frame_take(char *data, size_t len, struct nat_frame *out)
{
    if (len < 4) {
        return 0;
    }
    uint32_t inner = get_u32(data);
    if (inner < 1 || inner > NAT_FRAME_MAX) {
        return -1;
    }
    if (len - 4 < inner) {
        return 0;
    }
    *out = (struct nat_frame){
        .type = (uint8_t)data[4], .body = data + NAT_FRAME_HEAD, .len = inner - 1};
    return (long)inner + 4;
}

/* Step to the next field of a frame. */
int nat_field_next(const struct nat_frame *f, size_t *at, struct nat_field *out)
{
    size_t left = f->len - *at;
    if (left == 0) {
        return 0;
    }
    if (left < FIELD_HEAD + 1) {
        return -1;
    }
    char *head = f->body + *at;
    size_t len = get_u32(head + 1);
    if (len > left - FIELD_HEAD - 1 || head[FIELD_HEAD + len] != '\0') {
        return -1;
    }
    *out = (struct nat_field){
        .key = (uint8_t)head[0], .len = len, .data = head + FIELD_HEAD};
    *at += FIELD_HEAD + len + 1;
    return 1;
}

/* The number in an 8-byte field. */
uint64_t nat_field_u64(const struct nat_field *f)
{
    if (f->len != 8) {
        return 0;
    }
    return (uint64_t)get_u32(f->data) | (uint64_t)get_u32(f->data + 4) << 32;
}

/* The second text of a pair. */
char *nat_field_second(const struct nat_field *f, size_t skip)
{
    if (f->len < skip) {
        return NULL;
    }
    size_t first = skip + strlen(f->data + skip);
    return first < f->len ? f->data + first + 1 : NULL;
}
