/* Ids: the check of foreign ones, and uuids from random numbers that are passed in.
 *
 * Ids become directory names and URL segments, which is why '/', '\' and control
 * characters are refused for every kind of id.
 */
#include <muster/ids.h>

#include <stdio.h>
#include <string.h>

int mu_id_parse(
    const char *what, const char *text, char *out, size_t out_size, struct mu_error *err)
{
    if (text == NULL || text[0] == '\0') {
        return mu_fail(err, MU_E_INVALID, "%s must not be empty", what);
    }
    size_t len = strlen(text);
    if (len >= out_size) {
        return mu_fail(err, MU_E_INVALID, "%s is longer than %zu bytes", what,
                       out_size - 1);
    }
    if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0) {
        return mu_fail(err, MU_E_INVALID, "%s must not be '%s'", what, text);
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f || c == '/' || c == '\\') {
            return mu_fail(err, MU_E_INVALID,
                           "%s '%s' has a slash, a backslash or a control character",
                           what, text);
        }
    }
    memcpy(out, text, len + 1);
    return 0;
}

/* high and low are the uuid's 128 bits as they are printed. */
static void print_uuid(uint64_t high, uint64_t low, struct mu_uuid *out)
{
    (void)snprintf(out->s, sizeof(out->s), "%08x-%04x-%04x-%04x-%012llx",
                   (unsigned)(high >> 32), (unsigned)(high >> 16 & 0xffff),
                   (unsigned)(high & 0xffff), (unsigned)(low >> 48),
                   (unsigned long long)(low & UINT64_C(0xffffffffffff)));
}

static uint64_t with_version(uint64_t high, uint64_t version)
{
    return (high & ~UINT64_C(0xf000)) | version << 12;
}

/* The two variant bits of RFC 4122. */
static uint64_t with_variant(uint64_t low)
{
    return (low & UINT64_C(0x3fffffffffffffff)) | UINT64_C(1) << 63;
}

void mu_uuid_make(uint64_t r1, uint64_t r2, struct mu_uuid *out)
{
    print_uuid(with_version(r1, 4), with_variant(r2), out);
}

void mu_uuid_make_time(int64_t wall_ms, uint32_t seq, uint64_t r, struct mu_uuid *out)
{
    /* 100 ns steps since 1582-10-15; a millisecond has room for 10000 of them. */
    uint64_t steps = (uint64_t)wall_ms * 10000 + UINT64_C(0x01b21dd213814000) + seq;
    uint64_t time_low = steps & UINT64_C(0xffffffff);
    uint64_t time_mid = steps >> 32 & 0xffff;
    uint64_t time_high = steps >> 48 & 0x0fff;
    /* A node that is no hardware address has the multicast bit. */
    uint64_t node_bit = UINT64_C(1) << 40;
    print_uuid(with_version(time_low << 32 | time_mid << 16 | time_high, 1),
               with_variant(r | node_bit), out);
}
