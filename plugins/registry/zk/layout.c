/* See layout.h. */
#include "layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 128u

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

void zkr_entry_name(const char *key, char *out)
{
    static const char hex[] = "0123456789ABCDEF";
    char *o = out + snprintf(out, ZKR_NAME_MAX, "/b%02x/", bucket_of(key));
    for (const char *k = key; *k != '\0'; k++) {
        if (is_plain(*k) && !(k == key && *k == '.')) { /* "." and ".." are no names */
            *o++ = *k;
        } else {
            *o++ = '%';
            *o++ = hex[(unsigned char)*k >> 4];
            *o++ = hex[(unsigned char)*k & 15];
        }
    }
    *o = '\0';
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
    return len > 0;
}

uint32_t zkr_chunks_of(size_t len)
{
    return (uint32_t)((len + ZKR_CHUNK_BYTES - 1) / ZKR_CHUNK_BYTES);
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
    char text[TEXT_MAX];
    int end = -1;
    if (len > 0 && len < sizeof(text) && data[0] == 'C') {
        memcpy(text, data, len);
        text[len] = '\0';
        if (sscanf(text, "C%9" SCNu32 " %12zu %63[0-9a-f-]%n", &out->count, &out->len,
                   out->set, &end) == 3 &&
            text[end] == '\0' && out->len <= MU_REGISTRY_VALUE_MAX && out->count > 0 &&
            out->count == zkr_chunks_of(out->len)) {
            return 0;
        }
    }
    return mu_fail(err, MU_E_CORRUPT,
                   "an entry does not begin as this registry writes it");
}

int zkr_writer_parse(const char *data,
                     size_t len,
                     struct zkr_writer *out,
                     struct mu_error *err)
{
    char text[TEXT_MAX];
    int end = -1;
    *out = (struct zkr_writer){0};
    if (len == 0) {
        return 0; /* nobody has written yet */
    }
    if (len < sizeof(text)) {
        memcpy(text, data, len);
        text[len] = '\0';
        if (sscanf(text, "%20" SCNu64 " %20" SCNu64 " %20" SCNu64 "%n", &out->epoch,
                   &out->number, &out->taking, &end) == 3 &&
            text[end] == '\0') {
            return 0;
        }
    }
    return mu_fail(err, MU_E_CORRUPT, "'writer' does not name an epoch and a number");
}
