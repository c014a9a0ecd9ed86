#include "unit/journal/journal_kit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

void records_add(void *arg, const void *data, size_t len)
{
    struct records *r = arg;
    r->v = mu_xrealloc_array(r->v, r->count + 1, sizeof(*r->v));
    r->v[r->count].data = mu_xmemdup(data, len);
    r->v[r->count].len = len;
    r->count++;
}

void records_release(struct records *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->v[i].data);
    }
    free(r->v);
    *r = (struct records){0};
}

bool record_is(const struct records *r, size_t i, const char *text)
{
    return i < r->count && r->v[i].len == strlen(text) &&
           memcmp(r->v[i].data, text, strlen(text)) == 0;
}

void acks_add(void *arg, int status)
{
    struct acks *a = arg;
    assert_true(a->count < MU_COUNT_OF(a->status));
    a->status[a->count++] = status;
}

void acks_wait(struct test_host *th, const struct acks *a, size_t count)
{
    while (a->count < count) {
        assert_true(uv_run(th->loop, UV_RUN_ONCE) != 0 || a->count >= count);
    }
}

struct mu_journal *kit_open(struct test_host *th, const char *path, struct records *r)
{
    struct records none = {0};
    struct mu_journal *j = NULL;
    struct mu_error err;
    if (journal_open(th->loop, path, records_add, r != NULL ? r : &none, &j, &err) < 0) {
        fail_msg("%s", err.text);
    }
    records_release(&none);
    return j;
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

void kit_close(struct test_host *th, struct mu_journal *j)
{
    bool closed = false;
    journal_close(j, set_flag, &closed);
    assert_false(closed);
    assert_true(test_host_run_until(th, &closed, 20000));
}

void kit_append(struct test_host *th, struct mu_journal *j, const char *text)
{
    struct acks a = {.count = 0};
    assert_int_equal(journal_append(j, text, strlen(text), acks_add, &a), 0);
    acks_wait(th, &a, 1);
    assert_int_equal(a.status[0], 0);
}

uint8_t *kit_read_file(const char *path, size_t *out_len)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long len = ftell(f);
    rewind(f);
    uint8_t *data = mu_xalloc((size_t)len + 1);
    assert_int_equal(fread(data, 1, (size_t)len, f), len);
    fclose(f);
    *out_len = (size_t)len;
    return data;
}

void kit_write_file(const char *path, const uint8_t *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}
