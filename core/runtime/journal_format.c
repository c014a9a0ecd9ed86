/* The journal's file format (see journal_format.h and docs/protocols/journal.md).
 *
 * What makes reading safe:
 *  - a frame's checksum covers the file's id and the frame's offset, so a frame is valid
 *    in one place of one file only;
 *  - numbers only grow, and jump past whatever a torn tail could have held, so bytes of a
 *    tail that was cut off once cannot follow a newer record;
 *  - every frame names the offset at which its group (one write, one fdatasync) begins.
 *    The writer has one group in flight, so all bytes before that offset were durable
 *    when the frame was written. A valid frame whose group begins behind a bad one proves
 *    that the bad one was durable once: damage. Without such a proof it is a torn tail.
 */
#include "runtime/journal_format.h"

#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"

#define MARKER_RECORD 0x726a554du /* "MUjr" */
#define MARKER_SEAL 0x736a554du   /* "MUjs" */

enum frame_at { AT_LEN = 4, AT_SEQ = 8, AT_GROUP = 16, AT_PAYLOAD_CRC = 24, AT_CRC = 28 };
enum header_at { AT_VERSION = 8, AT_SIZE = 12, AT_ID = 16, AT_HEADER_CRC = 60 };

static const uint8_t file_magic[8] = {'M', 'U', 'S', 'T', 'E', 'R', 'J', '\n'};

struct frame {
    uint32_t marker, len;
    uint64_t seq, group;
    uint32_t payload_crc;
};

static void put_u32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static void put_u64(uint8_t *p, uint64_t v)
{
    put_u32(p, (uint32_t)v);
    put_u32(p + 4, (uint32_t)(v >> 32));
}

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static uint64_t get_u64(const uint8_t *p)
{
    return (uint64_t)get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

void journal_header_encode(const struct journal_id *id, uint8_t *out)
{
    memset(out, 0, JOURNAL_HEADER_BYTES);
    memcpy(out, file_magic, sizeof(file_magic));
    put_u32(out + AT_VERSION, JOURNAL_VERSION);
    put_u32(out + AT_SIZE, JOURNAL_HEADER_BYTES);
    memcpy(out + AT_ID, id->bytes, JOURNAL_ID_BYTES);
    put_u32(out + AT_HEADER_CRC, mu_crc32c(0, out, AT_HEADER_CRC));
}

int journal_header_decode(const uint8_t *data,
                          size_t len,
                          struct journal_id *out_id,
                          struct mu_error *err)
{
    if (len < JOURNAL_HEADER_BYTES) {
        return mu_fail(err, MU_E_CORRUPT,
                       "damaged at offset 0: %zu bytes are less than a journal's header",
                       len);
    }
    if (memcmp(data, file_magic, sizeof(file_magic)) != 0) {
        return mu_fail(err, MU_E_CORRUPT, "damaged at offset 0: not a journal's header");
    }
    if (get_u32(data + AT_HEADER_CRC) != mu_crc32c(0, data, AT_HEADER_CRC)) {
        return mu_fail(err, MU_E_CORRUPT, "damaged at offset 0: header checksum differs");
    }
    uint32_t version = get_u32(data + AT_VERSION);
    if (version != JOURNAL_VERSION || get_u32(data + AT_SIZE) != JOURNAL_HEADER_BYTES) {
        return mu_fail(err, MU_E_UNSUPPORTED,
                       "journal has format version %" PRIu32 ", this build reads %u",
                       version, JOURNAL_VERSION);
    }
    memcpy(out_id->bytes, data + AT_ID, JOURNAL_ID_BYTES);
    return 0;
}

void journal_frame_begin(enum journal_frame_kind kind, uint32_t len, uint8_t *out)
{
    memset(out, 0, JOURNAL_FRAME_BYTES);
    put_u32(out, kind == JOURNAL_SEAL ? MARKER_SEAL : MARKER_RECORD);
    put_u32(out + AT_LEN, len);
}

static uint32_t
frame_crc(const uint8_t *frame, const struct journal_id *id, uint64_t offset)
{
    uint8_t place[JOURNAL_ID_BYTES + 8];
    memcpy(place, id->bytes, JOURNAL_ID_BYTES);
    put_u64(place + JOURNAL_ID_BYTES, offset);
    return mu_crc32c(mu_crc32c(0, place, sizeof(place)), frame, AT_CRC);
}

uint64_t journal_group_seal(uint8_t *data,
                            size_t len,
                            const struct journal_id *id,
                            uint64_t group,
                            uint64_t first_seq)
{
    uint64_t count = 0;
    size_t at = 0;
    while (at < len) {
        uint8_t *frame = data + at;
        uint32_t payload = get_u32(frame + AT_LEN);
        MU_ASSERT(len - at >= JOURNAL_FRAME_BYTES &&
                  payload <= len - at - JOURNAL_FRAME_BYTES);
        put_u64(frame + AT_SEQ, first_seq + count);
        put_u64(frame + AT_GROUP, group);
        put_u32(frame + AT_PAYLOAD_CRC,
                mu_crc32c(0, frame + JOURNAL_FRAME_BYTES, payload));
        put_u32(frame + AT_CRC, frame_crc(frame, id, group + at));
        at += JOURNAL_FRAME_BYTES + payload;
        count++;
    }
    return count;
}

void journal_scan_init(struct journal_scan *s, const struct journal_id *id)
{
    *s = (struct journal_scan){
        .id = *id,
        .offset = JOURNAL_HEADER_BYTES,
        .good_end = JOURNAL_HEADER_BYTES,
        .group = JOURNAL_HEADER_BYTES,
        .want = JOURNAL_FRAME_BYTES,
    };
}

/* Are these JOURNAL_FRAME_BYTES a frame that was written at offset, after all that was
 * read so far? */
static bool read_frame(const struct journal_scan *s,
                       const uint8_t *p,
                       uint64_t offset,
                       struct frame *out)
{
    uint32_t marker = get_u32(p);
    if (marker != MARKER_RECORD && marker != MARKER_SEAL) {
        return false;
    }
    if (get_u32(p + AT_CRC) != frame_crc(p, &s->id, offset)) {
        return false;
    }
    *out = (struct frame){
        .marker = marker,
        .len = get_u32(p + AT_LEN),
        .seq = get_u64(p + AT_SEQ),
        .group = get_u64(p + AT_GROUP),
        .payload_crc = get_u32(p + AT_PAYLOAD_CRC),
    };
    /* An older number: left over from a tail that was cut off. */
    return out->seq > s->last_seq;
}

enum step { STEP_GOOD, STEP_BAD, STEP_MORE };

/* The frame at good_end. On STEP_MORE s->want says how many bytes it takes. */
static enum step step_frame(
    struct journal_scan *s, const uint8_t *p, size_t len, bool is_end, struct frame *out)
{
    s->want = JOURNAL_FRAME_BYTES;
    if (len < JOURNAL_FRAME_BYTES) {
        return is_end ? STEP_BAD : STEP_MORE;
    }
    if (!read_frame(s, p, s->offset, out)) {
        return STEP_BAD;
    }
    bool continues = out->group == s->group && out->seq == s->last_seq + 1;
    if (out->group != s->offset && !continues) {
        return STEP_BAD;
    }
    if (out->len > MU_JOURNAL_RECORD_MAX ||
        (out->marker == MARKER_SEAL && out->len > 0)) {
        return STEP_BAD;
    }
    if (out->len > len - JOURNAL_FRAME_BYTES) {
        s->want = JOURNAL_FRAME_BYTES + out->len;
        return is_end ? STEP_BAD : STEP_MORE;
    }
    uint32_t crc = mu_crc32c(0, p + JOURNAL_FRAME_BYTES, out->len);
    return crc == out->payload_crc ? STEP_GOOD : STEP_BAD;
}

/* Look for a frame that proves the bytes at good_end to have been durable once. Returns
 * how many bytes need not be looked at again. */
static int seek_proof(struct journal_scan *s,
                      const uint8_t *data,
                      size_t len,
                      size_t *out_consumed,
                      struct mu_error *err)
{
    size_t at = 0;
    s->want = JOURNAL_FRAME_BYTES;
    while (len - at >= JOURNAL_FRAME_BYTES) {
        struct frame f;
        if (read_frame(s, data + at, s->offset + at, &f) && f.group > s->good_end) {
            return mu_fail(err, MU_E_CORRUPT,
                           "damaged at offset %" PRIu64
                           ": the record there is not valid, yet it was durable when the "
                           "one at %" PRIu64 " was written",
                           s->good_end, s->offset + at);
        }
        at++;
    }
    *out_consumed = at;
    return 0;
}

int journal_scan_feed(struct journal_scan *s,
                      const uint8_t *data,
                      size_t len,
                      bool is_end,
                      mu_journal_record_cb on_record,
                      void *arg,
                      struct mu_error *err)
{
    size_t at = 0;
    while (!s->is_damaged && at < len) {
        struct frame f;
        enum step step = step_frame(s, data + at, len - at, is_end, &f);
        if (step == STEP_MORE) {
            return 0;
        }
        if (step == STEP_BAD) {
            s->is_damaged = true;
            break;
        }
        if (f.marker == MARKER_RECORD) {
            on_record(arg, data + at + JOURNAL_FRAME_BYTES, f.len);
        }
        at += JOURNAL_FRAME_BYTES + f.len;
        s->offset += JOURNAL_FRAME_BYTES + f.len;
        s->good_end = s->offset;
        s->last_seq = f.seq;
        s->group = f.group;
        s->is_sealed = f.marker == MARKER_SEAL;
    }
    if (s->is_damaged) {
        size_t consumed = 0;
        int rc = seek_proof(s, data + at, len - at, &consumed, err);
        if (rc < 0) {
            return rc;
        }
        s->offset += is_end ? len - at : consumed;
    }
    return 0;
}

uint64_t journal_scan_next_seq(const struct journal_scan *s, uint64_t torn_bytes)
{
    /* No frame in the cut bytes had a number as high as this. */
    return s->last_seq + 1 + torn_bytes / JOURNAL_FRAME_BYTES;
}
