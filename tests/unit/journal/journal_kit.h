/* What the journal's tests share: whole files in memory, journals made in one line, and
 * lists of what was replayed. */
#ifndef TESTS_UNIT_JOURNAL_KIT_H
#define TESTS_UNIT_JOURNAL_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/test_host.h"
#include "runtime/journal.h"

/* What a replay gave, in order. Zeroed: empty. */
struct records {
    struct record {
        uint8_t *data;
        size_t len;
    } * v;
    size_t count;
};
void records_add(void *arg, const void *data, size_t len); /* a mu_journal_record_cb */
void records_release(struct records *r);
bool record_is(const struct records *r, size_t i, const char *text);

/* Statuses of callbacks in the order they came. */
struct acks {
    int status[256];
    size_t count;
};
void acks_add(void *arg, int status); /* a mu_journal_done_cb */
/* Turn the loop until count callbacks came. */
void acks_wait(struct test_host *th, const struct acks *a, size_t count);

/* Opens or fails the test; r may be NULL. */
struct mu_journal *kit_open(struct test_host *th, const char *path, struct records *r);
void kit_close(struct test_host *th, struct mu_journal *j);
/* Appends a text and waits until it is durable. */
void kit_append(struct test_host *th, struct mu_journal *j, const char *text);

uint8_t *kit_read_file(const char *path, size_t *out_len); /* free() it */
void kit_write_file(const char *path, const uint8_t *data, size_t len);

#endif
