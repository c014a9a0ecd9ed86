/* See layout.h. */
#include "layout.h"

#include <stdio.h>
#include <string.h>

#define NUMBERS_MAX 64u

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_' || c == '.';
}

static unsigned bucket_of(const char *key)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (const char *k = key; *k != '\0'; k++) {
        h = (h ^ (unsigned char)*k) * 16777619u;
    }
    return (h ^ h >> 16) % ZKR_BUCKETS;
}

/* As it stands below its bucket; returns its end. */
static char *write_key(const char *key, char *out)
{
    static const char hex[] = "0123456789ABCDEF";
    for (const char *k = key; *k != '\0'; k++) {
        if (is_plain(*k) && !(k == key && *k == '.')) { /* "." and ".." are no names */
            *out++ = *k;
        } else {
            *out++ = '%';
            *out++ = hex[(unsigned char)*k >> 4];
            *out++ = hex[(unsigned char)*k & 15];
        }
    }
    *out = '\0';
    return out;
}

void zkr_entry_name(const char *key, char *out)
{
    (void)write_key(key, out + snprintf(out, ZKR_NAME_MAX, "/b%02x/", bucket_of(key)));
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool zkr_key_parse(const char *child, char *out)
{
    size_t len = 0;
    for (const char *c = child; *c != '\0'; c++) {
        if (len == MU_REGISTRY_KEY_MAX) {
            return false;
        }
        if (*c != '%') {
            out[len++] = *c;
            continue;
        }
        int high = digit_of(c[1]);
        int low = high < 0 ? -1 : digit_of(c[2]);
        if (low < 0 || high * 16 + low == 0) {
            return false;
        }
        out[len++] = (char)(high * 16 + low);
        c += 2;
    }
    out[len] = '\0';
    char again[ZKR_NAME_MAX];
    (void)write_key(out, again);
    return len > 0 && strcmp(again, child) == 0; /* no second name for the same key */
}

uint32_t zkr_chunks_of(size_t len)
{
    return (uint32_t)((len + ZKR_CHUNK_BYTES - 1) / ZKR_CHUNK_BYTES);
}

/* Decimal digits up to the byte `behind`, which is stepped over. */
static bool take_number(const char **at, const char *end, char behind, uint64_t *out)
{
    const char *c = *at;
    uint64_t value = 0;
    for (; c < end && *c >= '0' && *c <= '9'; c++) {
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*c - '0'), &value)) {
            return false;
        }
    }
    if (c == *at || c == end || *c != behind) {
        return false;
    }
    *at = c + 1;
    *out = value;
    return true;
}

static bool take_set(const char *at, const char *end, char *out)
{
    size_t len = (size_t)(end - at);
    if (len == 0 || len >= ZKR_SET_MAX) {
        return false;
    }
    memcpy(out, at, len);
    out[len] = '\0';
    return strspn(out, "0123456789abcdef-") == len;
}

int zkr_entry_parse(const char *data,
                    size_t len,
                    const char **out_value,
                    struct zkr_ref *out,
                    struct mu_error *err)
{
    *out = (struct zkr_ref){0};
    *out_value = NULL;
    if (len > 0 && data[0] == 'V') {
        *out_value = data + 1;
        out->len = len - 1;
        return 0;
    }
    const char *at = data + 1, *end = data + len;
    uint64_t count, bytes;
    if (len > 0 && data[0] == 'C' && take_number(&at, end, ' ', &count) &&
        take_number(&at, end, ' ', &bytes) && take_set(at, end, out->set) &&
        bytes <= MU_REGISTRY_VALUE_MAX && count > 0 && count == zkr_chunks_of(bytes)) {
        out->count = (uint32_t)count;
        out->len = bytes;
        return 0;
    }
    return mu_fail(err, MU_E_CORRUPT,
                   "an entry does not begin as this registry writes it");
}

/* Numbers with a blank between them. */
static bool take_numbers(const char *data, size_t len, uint64_t *out, size_t count)
{
    char text[NUMBERS_MAX];
    if (len == 0) {
        return true; /* nobody has written yet */
    }
    if (len >= sizeof(text)) {
        return false;
    }
    memcpy(text, data, len);
    text[len] = '\n'; /* the last number ends somewhere, too */
    const char *at = text, *end = text + len + 1;
    for (size_t i = 0; i < count; i++) {
        if (!take_number(&at, end, i + 1 < count ? ' ' : '\n', &out[i])) {
            return false;
        }
    }
    return at == end;
}

int zkr_fence_parse(const char *data,
                    size_t len,
                    struct zkr_fence *out,
                    struct mu_error *err)
{
    uint64_t v[2] = {0, 0};
    if (!take_numbers(data, len, v, 2)) {
        return mu_fail(err, MU_E_CORRUPT,
                       "registry zk: the node 'fence' does not name an epoch");
    }
    *out = (struct zkr_fence){v[0], v[1]};
    return 0;
}

int zkr_last_parse(const char *data, size_t len, uint64_t *out, struct mu_error *err)
{
    uint64_t number = 0;
    if (!take_numbers(data, len, &number, 1)) {
        return mu_fail(err, MU_E_CORRUPT,
                       "registry zk: the node 'last' is not the number of a change");
    }
    *out = number;
    return 0;
}
