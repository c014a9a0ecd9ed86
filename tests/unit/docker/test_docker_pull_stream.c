/* Cutting a pull's answer into records, in pieces of every size. */
#include "docker_kit.h"

#include <stdio.h>

#include "pull_stream.h"

static const char stream[] =
    "{\"status\":\"Pulling from x\",\"id\":\"latest\"}\r\n"
    "{\"status\":\"a \\\"quoted\\\" } brace\",\"progressDetail\":{\"current\":1}}\r\n"
    "{\"aux\":[{\"a\":\"\\\\\"}]}{\"error\":\"last\"}";

struct records {
    char text[1024];
    size_t count;
};

static void on_record(void *arg, const char *record, size_t len)
{
    struct records *r = arg;
    size_t at = strlen(r->text);
    snprintf(r->text + at, sizeof(r->text) - at, "%.*s|", (int)len, record);
    r->count++;
}

static void records_are_found_whatever_the_pieces(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= sizeof(stream); piece++) {
        struct dkr_pull_stream s;
        struct records r = {.count = 0};
        dkr_pull_stream_init(&s);
        for (size_t at = 0; at < sizeof(stream) - 1; at += piece) {
            size_t left = sizeof(stream) - 1 - at;
            dkr_pull_stream_feed(&s, stream + at, left < piece ? left : piece, on_record,
                                 &r);
        }
        assert_int_equal(r.count, 4);
        assert_string_equal(
            r.text, "{\"status\":\"Pulling from x\",\"id\":\"latest\"}|"
                    "{\"status\":\"a \\\"quoted\\\" } brace\",\"progressDetail\":{"
                    "\"current\":1}}|"
                    "{\"aux\":[{\"a\":\"\\\\\"}]}|{\"error\":\"last\"}|");
        assert_true(dkr_pull_stream_is_complete(&s));
        dkr_pull_stream_release(&s);
    }
}

static bool is_complete_after(const char *text, size_t len)
{
    struct dkr_pull_stream s;
    struct records r = {.count = 0};
    dkr_pull_stream_init(&s);
    dkr_pull_stream_feed(&s, text, len, on_record, &r);
    bool is_complete = dkr_pull_stream_is_complete(&s);
    dkr_pull_stream_release(&s);
    return is_complete;
}

static void a_stream_that_breaks_off_is_not_complete(void **state)
{
    (void)state;
    assert_true(is_complete_after("", 0));
    assert_false(is_complete_after("{\"status\":", 10));
    assert_false(is_complete_after("{\"status\":\"}\"", 13));
}

static void other_bytes_are_no_records(void **state)
{
    (void)state;
    assert_false(is_complete_after("<html>", 6));
    assert_false(is_complete_after("{}\0{}", 5));
}

static void a_record_without_end_is_given_up(void **state)
{
    struct dkr_pull_stream s;
    struct records r = {.count = 0};
    static char filler[4096];
    (void)state;
    memset(filler, 'a', sizeof(filler));
    dkr_pull_stream_init(&s);
    dkr_pull_stream_feed(&s, "{\"", 2, on_record, &r);
    for (int i = 0; i < 100; i++) {
        dkr_pull_stream_feed(&s, filler, sizeof(filler), on_record, &r);
    }
    assert_true(s.is_broken);
    assert_true(s.record.cap <= 128 * 1024);
    dkr_pull_stream_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_found_whatever_the_pieces),
        cmocka_unit_test(a_stream_that_breaks_off_is_not_complete),
        cmocka_unit_test(other_bytes_are_no_records),
        cmocka_unit_test(a_record_without_end_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
