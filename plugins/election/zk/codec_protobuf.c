/* See codec_protobuf.h. Wire types: 0 varint, 1 eight bytes, 2 length and bytes, 5 four
 * bytes. */
#include "codec_protobuf.h"

#include <stdbool.h>
#include <string.h>

struct reader {
    const unsigned char *at, *end;
};

static bool read_varint(struct reader *r, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        unsigned char byte = *r->at++;
        value |= (uint64_t)(byte & 0x7fu) << shift;
        if ((byte & 0x80u) == 0) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool skip(struct reader *r, size_t count)
{
    if ((size_t)(r->end - r->at) < count) {
        return false;
    }
    r->at += count;
    return true;
}

static void keep_text(char *to, size_t size, const unsigned char *from, size_t len)
{
    size_t n = len < size - 1 ? len : size - 1;
    memcpy(to, from, n);
    to[n] = '\0';
}

static bool read_field(struct reader *r, struct zke_protobuf_info *out)
{
    uint64_t key = 0, value = 0;
    if (!read_varint(r, &key)) {
        return false;
    }
    const unsigned char *at = NULL;
    switch (key & 7u) {
    case 0:
        if (!read_varint(r, &value)) {
            return false;
        }
        break;
    case 1:
        return skip(r, 8);
    case 2:
        if (!read_varint(r, &value) || value > (uint64_t)(r->end - r->at)) {
            return false;
        }
        at = r->at;
        r->at += value;
        break;
    case 5:
        return skip(r, 4);
    default:
        return false;
    }
    switch (key) { /* number << 3 | wire type */
    case 1 << 3 | 2:
        keep_text(out->id, sizeof(out->id), at, (size_t)value);
        break;
    case 2 << 3 | 0:
        out->ip = (uint32_t)value;
        break;
    case 3 << 3 | 0:
        out->port = value <= 65535 ? (uint32_t)value : 0;
        break;
    case 5 << 3 | 2:
        keep_text(out->hostname, sizeof(out->hostname), at, (size_t)value);
        break;
    default:
        break; /* a field that is not needed */
    }
    return true;
}

int zke_protobuf_parse(const char *data,
                       size_t len,
                       struct zke_protobuf_info *out,
                       struct mu_error *err)
{
    struct reader r = {.at = (const unsigned char *)data};
    r.end = r.at + len;
    *out = (struct zke_protobuf_info){.port = 5050}; /* the field's default */
    while (r.at < r.end) {
        if (!read_field(&r, out)) {
            return mu_fail(err, MU_E_PROTOCOL, "MasterInfo is not a protobuf message");
        }
    }
    if (out->id[0] == '\0' || out->port == 0) {
        return mu_fail(err, MU_E_PROTOCOL, "MasterInfo without id or a valid port");
    }
    return 0;
}
