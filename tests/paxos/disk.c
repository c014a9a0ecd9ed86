/* See disk.h. */
#include "disk.h"

#include <string.h>

#include "base/check.h"

void entries_push(entries *v, const void *data, size_t len)
{
    struct mu_buf b;
    mu_buf_init(&b, SIZE_MAX / 2);
    (void)mu_buf_append(&b, data, len);
    MU_VEC_PUSH(v, b);
}

void entries_release(entries *v)
{
    for (size_t i = 0; i < v->count; i++) {
        mu_buf_release(&v->v[i]);
    }
    free(v->v);
    *v = (entries){0};
}

void disk_release(struct disk *d)
{
    mu_buf_release(&d->file);
    *d = (struct disk){0};
}

bool disk_is_empty(const struct disk *d)
{
    return d->file.len == 0;
}

static void begin_file(struct disk *d, struct mu_prng *prng)
{
    uint8_t header[JOURNAL_HEADER_BYTES];
    disk_release(d);
    for (size_t i = 0; i < sizeof(d->id.bytes); i++) {
        d->id.bytes[i] = (uint8_t)mu_prng_range(prng, 0, UINT8_MAX);
    }
    journal_header_encode(&d->id, header);
    mu_buf_init(&d->file, SIZE_MAX / 2);
    (void)mu_buf_append(&d->file, header, sizeof(header));
    d->next_seq = 1;
    d->last_group = 0;
}

static void put_frame(struct mu_buf *group, const struct mu_buf *entry)
{
    uint8_t frame[JOURNAL_FRAME_BYTES];
    journal_frame_begin(JOURNAL_RECORD, (uint32_t)entry->len, frame);
    (void)mu_buf_append(group, frame, sizeof(frame));
    (void)mu_buf_append(group, entry->data, entry->len);
}

/* The group as it would be written behind the file; written: how many bytes of it are. */
static void write_group(struct disk *d, struct mu_buf *group, size_t written)
{
    uint64_t offset = d->file.len;
    uint64_t count = journal_group_seal((uint8_t *)group->data, group->len, &d->id,
                                        offset, d->next_seq);
    (void)mu_buf_append(&d->file, group->data, written);
    if (written == group->len) {
        d->next_seq += count;
        d->last_group = offset;
    }
}

void disk_append(struct disk *d, struct mu_prng *prng, const struct mu_buf *entry)
{
    struct mu_buf group;
    if (disk_is_empty(d)) {
        begin_file(d, prng);
    }
    mu_buf_init(&group, SIZE_MAX / 2);
    put_frame(&group, entry);
    write_group(d, &group, group.len);
    mu_buf_release(&group);
}

void disk_rewrite(struct disk *d, struct mu_prng *prng, const entries *v)
{
    struct mu_buf group;
    begin_file(d, prng);
    mu_buf_init(&group, SIZE_MAX / 2);
    for (size_t i = 0; i < v->count; i++) {
        put_frame(&group, &v->v[i]);
    }
    write_group(d, &group, group.len);
    mu_buf_release(&group);
}

void disk_tear(struct disk *d, struct mu_prng *prng, const struct mu_buf *entry)
{
    struct mu_buf group;
    if (disk_is_empty(d)) {
        return;
    }
    mu_buf_init(&group, SIZE_MAX / 2);
    put_frame(&group, entry);
    write_group(d, &group, mu_prng_range(prng, 0, group.len - 1));
    mu_buf_release(&group);
}

bool disk_damage(struct disk *d, struct mu_prng *prng)
{
    if (d->last_group == 0) {
        return false;
    }
    size_t at = mu_prng_range(prng, 0, d->last_group - 1);
    d->file.data[at] = (char)(d->file.data[at] ^ (1 << mu_prng_range(prng, 0, 7)));
    return true;
}

int disk_read(struct disk *d, mu_journal_record_cb cb, void *arg, struct mu_error *err)
{
    struct journal_scan s;
    const uint8_t *data = (const uint8_t *)d->file.data;
    if (disk_is_empty(d)) {
        return 0;
    }
    int rc = journal_header_decode(data, d->file.len, &d->id, err);
    if (rc < 0) {
        return rc;
    }
    journal_scan_init(&s, &d->id);
    rc = journal_scan_feed(&s, data + JOURNAL_HEADER_BYTES,
                           d->file.len - JOURNAL_HEADER_BYTES, true, cb, arg, err);
    if (rc == 0) {
        d->next_seq = journal_scan_next_seq(&s, s.offset - s.good_end);
        d->file.len = (size_t)s.good_end;
    }
    return rc;
}
