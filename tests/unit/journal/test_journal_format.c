/* The file format on buffers: what a reader believes of cut, flipped and stale bytes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "runtime/journal_format.h"
#include "unit/journal/journal_kit.h"

static const struct journal_id test_id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};

/* A file's frames (behind its header) while it is being written. */
struct image {
    uint8_t data[1024];
    size_t len; /* of the frames; data[0] stands at JOURNAL_HEADER_BYTES */
    uint64_t next_seq;
    size_t ends[16]; /* where each record ends */
    size_t group_start[16];
    size_t count;
};

static void put_group(struct image *m, const char *const *texts, size_t count)
{
    size_t start = m->len;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(texts[i]);
        journal_frame_begin(JOURNAL_RECORD, (uint32_t)len, m->data + m->len);
        memcpy(m->data + m->len + JOURNAL_FRAME_BYTES, texts[i], len);
        m->len += JOURNAL_FRAME_BYTES + len;
        m->group_start[m->count] = start;
        m->ends[m->count++] = m->len;
    }
    m->next_seq += journal_group_seal(m->data + start, m->len - start, &test_id,
                                      JOURNAL_HEADER_BYTES + start, m->next_seq);
}

static void put_seal(struct image *m)
{
    journal_frame_begin(JOURNAL_SEAL, 0, m->data + m->len);
    m->next_seq += journal_group_seal(m->data + m->len, JOURNAL_FRAME_BYTES, &test_id,
                                      JOURNAL_HEADER_BYTES + m->len, m->next_seq);
    m->len += JOURNAL_FRAME_BYTES;
}

static const char *const texts[] = {"one", "",    "three", "four is longer",
                                    "5",   "six", "7"};

/* Groups of 1, 2, 1 and 3 records: texts in order. */
static void four_groups(struct image *m)
{
    *m = (struct image){.next_seq = 1};
    put_group(m, texts, 1);
    put_group(m, texts + 1, 2);
    put_group(m, texts + 3, 1);
    put_group(m, texts + 4, 3);
}

static int scan_all(const uint8_t *data,
                    size_t len,
                    struct journal_scan *s,
                    struct records *r,
                    struct mu_error *err)
{
    journal_scan_init(s, &test_id);
    return journal_scan_feed(s, data, len, true, records_add, r, err);
}

static void assert_is_prefix(const struct records *r)
{
    assert_true(r->count <= MU_COUNT_OF(texts));
    for (size_t i = 0; i < r->count; i++) {
        assert_true(record_is(r, i, texts[i]));
    }
}

static void header_refuses_every_flipped_bit_and_every_cut(void **state)
{
    (void)state;
    uint8_t h[JOURNAL_HEADER_BYTES];
    struct journal_id id;
    struct mu_error err;
    journal_header_encode(&test_id, h);
    assert_int_equal(journal_header_decode(h, sizeof(h), &id, &err), 0);
    assert_memory_equal(id.bytes, test_id.bytes, sizeof(id.bytes));
    for (size_t bit = 0; bit < 8 * sizeof(h); bit++) {
        h[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(journal_header_decode(h, sizeof(h), &id, &err), MU_E_CORRUPT);
        h[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t len = 0; len < sizeof(h); len++) {
        assert_int_equal(journal_header_decode(h, len, &id, &err), MU_E_CORRUPT);
    }
}

static void header_of_a_later_version_is_named_not_called_damaged(void **state)
{
    (void)state;
    uint8_t h[JOURNAL_HEADER_BYTES];
    struct journal_id id;
    struct mu_error err;
    journal_header_encode(&test_id, h);
    h[8] = 2;
    uint32_t crc = mu_crc32c(0, h, 60);
    for (size_t i = 0; i < 4; i++) {
        h[60 + i] = (uint8_t)(crc >> (8 * i));
    }
    assert_int_equal(journal_header_decode(h, sizeof(h), &id, &err), MU_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "version 2"));
}

static void records_come_back_in_order_however_the_bytes_are_fed(void **state)
{
    (void)state;
    struct image m;
    four_groups(&m);
    put_seal(&m);
    for (size_t step = 1; step <= m.len; step++) {
        struct journal_scan s;
        struct records r = {0};
        journal_scan_init(&s, &test_id);
        size_t end = 0;
        while (end < m.len) {
            end = end + step < m.len ? end + step : m.len;
            size_t from = (size_t)s.offset - JOURNAL_HEADER_BYTES;
            assert_int_equal(journal_scan_feed(&s, m.data + from, end - from,
                                               end == m.len, records_add, &r, NULL),
                             0);
        }
        assert_int_equal(r.count, MU_COUNT_OF(texts));
        assert_is_prefix(&r);
        assert_true(s.is_sealed);
        assert_int_equal(s.good_end, JOURNAL_HEADER_BYTES + m.len);
        assert_int_equal(journal_scan_next_seq(&s, 0), m.next_seq);
        records_release(&r);
    }
}

static void cut_anywhere_gives_exactly_the_records_that_are_whole(void **state)
{
    (void)state;
    struct image m;
    four_groups(&m);
    for (size_t len = 0; len <= m.len; len++) {
        struct journal_scan s;
        struct records r = {0};
        assert_int_equal(scan_all(m.data, len, &s, &r, NULL), 0);
        size_t whole = 0;
        while (whole < m.count && m.ends[whole] <= len) {
            whole++;
        }
        assert_int_equal(r.count, whole);
        assert_is_prefix(&r);
        assert_int_equal(s.good_end,
                         JOURNAL_HEADER_BYTES + (whole > 0 ? m.ends[whole - 1] : 0));
        assert_int_equal(s.offset, JOURNAL_HEADER_BYTES + len);
        records_release(&r);
    }
}

/* The rule: a flip in a group that another group follows is damage, named with its
 * record's offset; in the last group it cannot be told from a torn write and is cut. */
static void flipped_bit_is_damage_unless_it_is_in_the_last_group(void **state)
{
    (void)state;
    struct image m;
    four_groups(&m);
    size_t last_group = m.group_start[m.count - 1];
    for (size_t bit = 0; bit < 8 * m.len; bit++) {
        size_t at = bit / 8;
        size_t record = 0;
        while (m.ends[record] <= at) {
            record++;
        }
        m.data[at] ^= (uint8_t)(1u << (bit % 8));
        struct journal_scan s;
        struct records r = {0};
        struct mu_error err;
        int rc = scan_all(m.data, m.len, &s, &r, &err);
        assert_int_equal(r.count, record);
        assert_is_prefix(&r);
        if (at < last_group) {
            char offset[64];
            size_t start = record > 0 ? m.ends[record - 1] : 0;
            snprintf(offset, sizeof(offset), "offset %zu:", JOURNAL_HEADER_BYTES + start);
            assert_int_equal(rc, MU_E_CORRUPT);
            assert_non_null(strstr(err.text, offset));
        } else {
            assert_int_equal(rc, 0);
        }
        records_release(&r);
        m.data[at] ^= (uint8_t)(1u << (bit % 8));
    }
}

static void flipped_bit_in_a_sealed_file_is_always_damage(void **state)
{
    (void)state;
    struct image m;
    four_groups(&m);
    size_t before_seal = m.len;
    put_seal(&m);
    for (size_t bit = 0; bit < 8 * before_seal; bit++) {
        m.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        struct journal_scan s;
        struct records r = {0};
        assert_int_equal(scan_all(m.data, m.len, &s, &r, NULL), MU_E_CORRUPT);
        assert_is_prefix(&r);
        records_release(&r);
        m.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

/* A disk may write the blocks of one group in any order before a power loss. */
static void group_torn_in_its_middle_is_a_torn_tail_not_damage(void **state)
{
    (void)state;
    struct image m;
    four_groups(&m);
    size_t first = m.group_start[m.count - 1];
    size_t hole_end = m.ends[m.count - 2]; /* the last record of the group arrived */
    memset(m.data + first, 0, hole_end - first);
    struct journal_scan s;
    struct records r = {0};
    assert_int_equal(scan_all(m.data, m.len, &s, &r, NULL), 0);
    assert_int_equal(r.count, m.count - 3);
    assert_int_equal(s.good_end, JOURNAL_HEADER_BYTES + first);
    records_release(&r);
}

static void bytes_of_a_cut_tail_never_come_back_behind_a_newer_record(void **state)
{
    (void)state;
    struct image m = {.next_seq = 1};
    const char *const old[] = {"kept", "torn", "stale"};
    put_group(&m, old, 3);
    m.data[m.ends[0] + JOURNAL_FRAME_BYTES] ^= 1; /* "torn" is; "stale" is whole */
    struct journal_scan s;
    struct records r = {0};
    assert_int_equal(scan_all(m.data, m.len, &s, &r, NULL), 0);
    assert_int_equal(r.count, 1);
    size_t whole_len = m.len;

    /* The tail is cut, a record as long as "torn" is written, and then the disk shows the
     * old bytes again behind it. */
    m.len = m.ends[0];
    m.next_seq = journal_scan_next_seq(&s, whole_len - m.len);
    const char *const newer[] = {"newr"};
    put_group(&m, newer, 1);
    records_release(&r);
    assert_int_equal(scan_all(m.data, whole_len, &s, &r, NULL), 0);
    assert_int_equal(r.count, 2);
    assert_true(record_is(&r, 0, "kept"));
    assert_true(record_is(&r, 1, "newr"));
    records_release(&r);
}

static void frames_of_another_file_or_another_place_are_not_frames(void **state)
{
    (void)state;
    struct image m;
    four_groups(&m);
    struct journal_scan s;
    struct records r = {0};
    struct journal_id other = test_id;
    other.bytes[15] ^= 1;
    journal_scan_init(&s, &other);
    assert_int_equal(journal_scan_feed(&s, m.data, m.len, true, records_add, &r, NULL),
                     0);
    assert_int_equal(r.count, 0);

    memmove(m.data + 1, m.data, m.len);
    assert_int_equal(scan_all(m.data, m.len + 1, &s, &r, NULL), 0);
    assert_int_equal(r.count, 0);
    records_release(&r);
}

/* A record that holds another journal's, or its own journal's, bytes. */
static void record_that_holds_frames_is_no_proof_of_damage_when_torn(void **state)
{
    (void)state;
    struct image inner;
    four_groups(&inner);
    struct image m = {.next_seq = 1};
    journal_frame_begin(JOURNAL_RECORD, (uint32_t)inner.len, m.data);
    memcpy(m.data + JOURNAL_FRAME_BYTES, inner.data, inner.len);
    m.len = JOURNAL_FRAME_BYTES + inner.len;
    journal_group_seal(m.data, m.len, &test_id, JOURNAL_HEADER_BYTES, 1);
    struct journal_scan s;
    struct records r = {0};
    assert_int_equal(scan_all(m.data, m.len - 1, &s, &r, NULL), 0);
    assert_int_equal(r.count, 0);
    assert_int_equal(scan_all(m.data, m.len, &s, &r, NULL), 0);
    assert_int_equal(r.count, 1);
    records_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_refuses_every_flipped_bit_and_every_cut),
        cmocka_unit_test(header_of_a_later_version_is_named_not_called_damaged),
        cmocka_unit_test(records_come_back_in_order_however_the_bytes_are_fed),
        cmocka_unit_test(cut_anywhere_gives_exactly_the_records_that_are_whole),
        cmocka_unit_test(flipped_bit_is_damage_unless_it_is_in_the_last_group),
        cmocka_unit_test(flipped_bit_in_a_sealed_file_is_always_damage),
        cmocka_unit_test(group_torn_in_its_middle_is_a_torn_tail_not_damage),
        cmocka_unit_test(bytes_of_a_cut_tail_never_come_back_behind_a_newer_record),
        cmocka_unit_test(frames_of_another_file_or_another_place_are_not_frames),
        cmocka_unit_test(record_that_holds_frames_is_no_proof_of_damage_when_torn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
