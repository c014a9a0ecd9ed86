/* Fuzzer of the journal's replay (core/runtime/journal_format.h).
 *
 * The first byte chooses. Even: the bytes are a file's frames as they are. Odd: they say
 * which records to write in which groups, and then how to damage the result (flips, a
 * cut, a range of zeros); whatever is done to it, what is replayed must be a beginning of
 * what was written. Both times the replay is repeated with the bytes fed in pieces and
 * must give the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/hash.h"
#include "runtime/journal_format.h"

#define IMAGE_MAX 8192
#define RECORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a replay gave: how many records, and one sum over them and their lengths. */
struct replayed {
    size_t count;
    uint32_t sums[RECORDS_MAX * 8];
};

struct image {
    uint8_t data[IMAGE_MAX];
    size_t len;
    struct replayed written;
};

static const struct journal_id id = {{42}};

static void on_record(void *arg, const void *data, size_t len)
{
    struct replayed *r = arg;
    uint32_t before = r->count > 0 ? r->sums[r->count - 1] : 0;
    MU_ASSERT(r->count < MU_COUNT_OF(r->sums));
    uint32_t sum = mu_crc32c(before, &len, sizeof(len));
    r->sums[r->count++] = mu_crc32c(sum, data, len);
}

static int replay(const uint8_t *data, size_t len, size_t step, struct replayed *r)
{
    struct journal_scan s;
    struct mu_error err;
    journal_scan_init(&s, &id);
    size_t end = 0;
    do {
        end = len - end > step ? end + step : len;
        size_t from = (size_t)(s.offset - JOURNAL_HEADER_BYTES);
        int rc = journal_scan_feed(&s, data + from, end - from, end == len, on_record, r,
                                   &err);
        if (rc < 0) {
            MU_ASSERT(rc == MU_E_CORRUPT);
            return rc;
        }
    } while (end < len);
    MU_ASSERT(s.offset == JOURNAL_HEADER_BYTES + len && s.good_end <= s.offset);
    return 0;
}

static void check_both_ways(const uint8_t *data,
                            size_t len,
                            size_t step,
                            const struct replayed *written)
{
    struct replayed whole = {0};
    struct replayed pieces = {0};
    int rc = replay(data, len, SIZE_MAX, &whole);
    MU_ASSERT(rc == replay(data, len, step, &pieces));
    MU_ASSERT(whole.count == pieces.count);
    MU_ASSERT(memcmp(whole.sums, pieces.sums, sizeof(whole.sums)) == 0);
    if (written != NULL) {
        MU_ASSERT(whole.count <= written->count);
        MU_ASSERT(
            memcmp(whole.sums, written->sums, whole.count * sizeof(whole.sums[0])) == 0);
    }
}

/* Each byte is a record: its length, and in the top bit whether its group ends. */
static void build(struct image *m, const uint8_t *plan, size_t count)
{
    size_t start = 0;
    uint64_t seq = 1;
    for (size_t i = 0; i < count; i++) {
        size_t len = plan[i] & 0x3f;
        journal_frame_begin(JOURNAL_RECORD, (uint32_t)len, m->data + m->len);
        memset(m->data + m->len + JOURNAL_FRAME_BYTES, plan[i], len);
        on_record(&m->written, m->data + m->len + JOURNAL_FRAME_BYTES, len);
        m->len += JOURNAL_FRAME_BYTES + len;
        if ((plan[i] & 0x80) != 0 || i + 1 == count) {
            seq += journal_group_seal(m->data + start, m->len - start, &id,
                                      JOURNAL_HEADER_BYTES + start, seq);
            start = m->len;
        }
    }
}

/* Each four bytes do one thing to the image. */
static void damage(struct image *m, const uint8_t *plan, size_t count)
{
    for (size_t i = 0; i + 4 <= count && m->len > 0; i += 4) {
        size_t at = ((size_t)plan[i] << 8 | plan[i + 1]) % m->len;
        size_t len = plan[i + 3] < m->len - at ? plan[i + 3] : m->len - at;
        switch (plan[i + 2] % 4) {
        case 0:
            m->data[at] ^= (uint8_t)(1u << (plan[i + 3] % 8));
            break;
        case 1:
            m->len = at;
            break;
        case 2:
            memset(m->data + at, 0, len);
            break;
        default: /* old bytes in a new place */
            memmove(m->data, m->data + at, len);
            break;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || size > IMAGE_MAX) {
        return 0;
    }
    size_t step = (size_t)data[1] + 1;
    if (data[0] % 2 == 0) {
        check_both_ways(data + 2, size - 2, step, NULL);
        return 0;
    }
    size_t records = data[2] % RECORDS_MAX;
    records = records < size - 3 ? records : size - 3;
    struct image *m = MU_NEW(struct image);
    build(m, data + 3, records);
    damage(m, data + 3 + records, size - 3 - records);
    check_both_ways(m->data, m->len, step, &m->written);
    free(m);
    return 0;
}
