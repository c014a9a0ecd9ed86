/* RecordIO framing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/recordio.h"

struct sink {
    struct mu_buf text; /* records, each in brackets */
    int stop_after;     /* 0: never */
    int count;
    struct recordio_decoder *release;
};

static int on_record(void *arg, const char *data, size_t len)
{
    struct sink *s = arg;
    mu_buf_putc(&s->text, '[');
    mu_buf_append(&s->text, data, len);
    mu_buf_putc(&s->text, ']');
    if (++s->count == s->stop_after) {
        if (s->release != NULL) {
            recordio_decoder_release(s->release);
        }
        return -ECANCELED;
    }
    return 0;
}

static void sink_init(struct sink *s)
{
    *s = (struct sink){0};
    mu_buf_init(&s->text, 1 << 20);
}

static void records_survive_any_split(void **state)
{
    (void)state;
    static const char stream[] = "5\nhello0\n3\n1\n210\n0123456789";
    size_t len = sizeof(stream) - 1;
    for (size_t a = 0; a <= len; a++) {
        for (size_t b = a; b <= len; b++) {
            struct sink s;
            struct recordio_decoder d;
            sink_init(&s);
            recordio_decoder_init(&d, 10);
            size_t cuts[] = {0, a, b, len};
            for (int i = 0; i < 3; i++) {
                assert_int_equal(recordio_decoder_feed(&d, stream + cuts[i],
                                                       cuts[i + 1] - cuts[i], on_record,
                                                       &s, NULL),
                                 0);
            }
            assert_string_equal(s.text.data, "[hello][][1\n2][0123456789]");
            assert_false(recordio_decoder_is_partial(&d));
            recordio_decoder_release(&d);
            mu_buf_release(&s.text);
        }
    }
}

static void encoded_records_decode_to_themselves(void **state)
{
    (void)state;
    struct mu_buf out;
    mu_buf_init(&out, 100);
    assert_int_equal(recordio_encode(&out, "{\"a\":1}", 7), 0);
    assert_int_equal(recordio_encode(&out, "", 0), 0);
    assert_string_equal(out.data, "7\n{\"a\":1}0\n");
    struct sink s;
    struct recordio_decoder d;
    sink_init(&s);
    recordio_decoder_init(&d, 100);
    assert_int_equal(recordio_decoder_feed(&d, out.data, out.len, on_record, &s, NULL),
                     0);
    assert_string_equal(s.text.data, "[{\"a\":1}][]");
    recordio_decoder_release(&d);
    mu_buf_release(&s.text);
    mu_buf_release(&out);
}

static void a_record_that_does_not_fit_leaves_nothing_behind(void **state)
{
    (void)state;
    struct mu_buf out;
    mu_buf_init(&out, 8);
    assert_int_equal(recordio_encode(&out, "abcdef", 6), 0);
    assert_int_equal(recordio_encode(&out, "a", 1), -E2BIG);
    assert_int_equal(out.len, 8);
    mu_buf_release(&out);
}

static void bad_lengths_are_refused_for_good(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
    } cases[] = {{"\n", MU_E_PROTOCOL},
                 {"x", MU_E_PROTOCOL},
                 {"-1\n", MU_E_PROTOCOL},
                 {"+1\n", MU_E_PROTOCOL},
                 {" 1\n", MU_E_PROTOCOL},
                 {"1 \n", MU_E_PROTOCOL},
                 {"1\r\n", MU_E_PROTOCOL},
                 {"11\n", MU_E_LIMIT},
                 {"11", MU_E_LIMIT},
                 {"99999999999999999999\n", MU_E_LIMIT},
                 {"00000000000000000001\n", MU_E_LIMIT}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sink s;
        struct recordio_decoder d;
        struct mu_error err = {0};
        sink_init(&s);
        recordio_decoder_init(&d, 10);
        const char *text = cases[i].text;
        assert_int_equal(
            recordio_decoder_feed(&d, text, strlen(text), on_record, &s, &err),
            cases[i].code);
        assert_true(err.text[0] != '\0');
        assert_int_equal(recordio_decoder_feed(&d, "1\na", 3, on_record, &s, NULL),
                         cases[i].code);
        assert_int_equal(s.count, 0);
        recordio_decoder_release(&d);
        mu_buf_release(&s.text);
    }
}

static void the_receiver_may_stop_and_release_inside(void **state)
{
    (void)state;
    struct sink s;
    struct recordio_decoder d;
    sink_init(&s);
    recordio_decoder_init(&d, 10);
    s.stop_after = 2;
    s.release = &d;
    assert_int_equal(recordio_decoder_feed(&d, "1\na1\n", 5, on_record, &s, NULL), 0);
    assert_true(recordio_decoder_is_partial(&d));
    assert_int_equal(recordio_decoder_feed(&d, "b1\nc", 4, on_record, &s, NULL),
                     -ECANCELED);
    assert_string_equal(s.text.data, "[a][b]");
    mu_buf_release(&s.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_survive_any_split),
        cmocka_unit_test(encoded_records_decode_to_themselves),
        cmocka_unit_test(a_record_that_does_not_fit_leaves_nothing_behind),
        cmocka_unit_test(bad_lengths_are_refused_for_good),
        cmocka_unit_test(the_receiver_may_stop_and_release_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
