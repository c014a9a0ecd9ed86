/* The engine's log stream -> stdout and stderr: split at every byte, read on at every
 * byte. */
#include "docker_kit.h"

#include <stdio.h>

#include "base/alloc.h"
#include "demux.h"

#define T0 "2026-11-24T06:18:11.334413829Z"
#define T1 "2026-11-24T06:18:11.334449185Z"
#define T2 "2026-11-24T06:18:12.000000001Z"

struct message {
    int stream;
    const char *stamp, *text;
};

/* Two of one stamp (parts of one long line), two streams, an empty one, no line end. */
static const struct message log_messages[] = {
    {DKR_STDOUT, T0, "first\n"}, {DKR_STDERR, T0, "oops\n"}, {DKR_STDOUT, T1, "long "},
    {DKR_STDOUT, T1, "line\n"},  {DKR_STDOUT, T1, ""},       {DKR_STDERR, T1, "again\n"},
    {DKR_STDOUT, T2, "tail"},
};
enum { MESSAGES = sizeof(log_messages) / sizeof(log_messages[0]) };
static const char *const all[DKR_STREAMS] = {"first\nlong line\ntail", "oops\nagain\n"};

struct output {
    char text[DKR_STREAMS][256];
};

static void on_bytes(void *arg, int stream, const char *data, size_t len)
{
    struct output *o = arg;
    strncat(o->text[stream], data, len);
}

static void put_framed(struct mu_buf *out, const struct message *m)
{
    size_t len = strlen(m->stamp) + 1 + strlen(m->text);
    const char head[8] = {
        m->stream == DKR_STDOUT ? 1 : 2, 0, 0, 0, 0, 0, (char)(len >> 8), (char)len};
    mu_buf_append(out, head, sizeof(head));
    mu_buf_printf(out, "%s %s", m->stamp, m->text);
}

static void frame_all(struct mu_buf *out, size_t from)
{
    mu_buf_init(out, 65536);
    for (size_t i = from; i < MESSAGES; i++) {
        put_framed(out, &log_messages[i]);
    }
}

static void frames_may_be_split_at_every_byte(void **state)
{
    struct mu_buf in;
    (void)state;
    frame_all(&in, 0);
    for (size_t piece = 1; piece <= in.len; piece++) {
        struct dkr_demux d;
        struct output o = {0};
        dkr_demux_init(&d, false, NULL, on_bytes, &o);
        for (size_t at = 0; at < in.len; at += piece) {
            dkr_demux_feed(&d, in.data + at, in.len - at < piece ? in.len - at : piece);
        }
        assert_false(d.is_broken);
        assert_string_equal(o.text[DKR_STDOUT], all[DKR_STDOUT]);
        assert_string_equal(o.text[DKR_STDERR], all[DKR_STDERR]);
        assert_string_equal(d.pos[DKR_STDOUT].stamp, T2);
        assert_int_equal(d.pos[DKR_STDOUT].same, 1);
        assert_int_equal(d.pos[DKR_STDOUT].extra, 0);
        assert_string_equal(d.pos[DKR_STDERR].stamp, T1);
    }
    mu_buf_release(&in);
}

static void reading_on_after_any_byte_loses_and_repeats_nothing(void **state)
{
    struct mu_buf in;
    (void)state;
    frame_all(&in, 0);
    for (size_t cut = 0; cut <= in.len; cut++) {
        struct dkr_demux d;
        struct output o = {0};
        struct dkr_position pos[DKR_STREAMS];
        dkr_demux_init(&d, false, NULL, on_bytes, &o);
        dkr_demux_feed(&d, in.data, cut);
        memcpy(pos, d.pos, sizeof(pos));
        dkr_demux_init(&d, false, pos, on_bytes, &o);
        dkr_demux_feed(&d, in.data, in.len);
        if (strcmp(o.text[DKR_STDOUT], all[DKR_STDOUT]) != 0 ||
            strcmp(o.text[DKR_STDERR], all[DKR_STDERR]) != 0) {
            fail_msg("cut at %zu: '%s', '%s'", cut, o.text[0], o.text[1]);
        }
    }
    mu_buf_release(&in);
}

/* The note of a position may be older than what is in the files: then `extra` spans
 * messages. */
static void reading_on_from_an_old_position_skips_what_the_files_have(void **state)
{
    struct mu_buf in;
    (void)state;
    frame_all(&in, 0);
    for (size_t written = 0; written <= strlen(all[DKR_STDOUT]); written++) {
        struct dkr_demux d;
        struct output o = {0};
        struct dkr_position pos[DKR_STREAMS] = {{.extra = written}, {.extra = 3}};
        memcpy(o.text[DKR_STDOUT], all[DKR_STDOUT], written);
        memcpy(o.text[DKR_STDERR], all[DKR_STDERR], 3);
        dkr_demux_init(&d, false, pos, on_bytes, &o);
        dkr_demux_feed(&d, in.data, in.len);
        assert_string_equal(o.text[DKR_STDOUT], all[DKR_STDOUT]);
        assert_string_equal(o.text[DKR_STDERR], all[DKR_STDERR]);
    }
    mu_buf_release(&in);
}

static void a_position_that_was_rotated_away_continues_with_what_is_left(void **state)
{
    struct dkr_demux d;
    struct output o = {0};
    struct mu_buf in;
    const struct dkr_position pos[DKR_STREAMS] = {{.stamp = T0, .same = 1},
                                                  {.stamp = T0, .same = 1}};
    (void)state;
    frame_all(&in, 3); /* "line\n" is the first that is still there */
    dkr_demux_init(&d, false, pos, on_bytes, &o);
    dkr_demux_feed(&d, in.data, in.len);
    assert_string_equal(o.text[DKR_STDOUT], "line\ntail");
    assert_string_equal(o.text[DKR_STDERR], "again\n");
    mu_buf_release(&in);
}

static void a_frame_of_another_kind_breaks_the_stream(void **state)
{
    static const char *const bad[] = {"\4\0\0\0\0\0\0\1", "\1\1\0\0\0\0\0\1", "HTTP/1.1"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct dkr_demux d;
        struct output o = {0};
        dkr_demux_init(&d, false, NULL, on_bytes, &o);
        dkr_demux_feed(&d, bad[i], 8);
        assert_true(d.is_broken);
        assert_string_equal(o.text[0], "");
    }
}

static void frames_without_a_time_are_taken_as_they_are(void **state)
{
    static const char frame[] = "\3\0\0\0\0\0\0\5short\1\0\0\0\0\0\0\50"
                                "this has a text in the place of a time.\n";
    struct dkr_demux d;
    struct output o = {0};
    (void)state;
    dkr_demux_init(&d, false, NULL, on_bytes, &o);
    dkr_demux_feed(&d, frame, sizeof(frame) - 1);
    assert_string_equal(o.text[DKR_STDERR], "short");
    assert_string_equal(o.text[DKR_STDOUT], "this has a text in the place of a time.\n");
}

/* ---- with a terminal ---- */

static const char raw[] = T0 " one\r\n" T1 " two\r\n" T1 " \r\n" T2 " tail";
static const char raw_text[] = "one\r\ntwo\r\n\r\ntail";

static void bare_lines_may_be_split_at_every_byte(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= sizeof(raw); piece++) {
        struct dkr_demux d;
        struct output o = {0};
        dkr_demux_init(&d, true, NULL, on_bytes, &o);
        for (size_t at = 0; at < sizeof(raw) - 1; at += piece) {
            size_t left = sizeof(raw) - 1 - at;
            dkr_demux_feed(&d, raw + at, left < piece ? left : piece);
        }
        assert_string_equal(o.text[DKR_STDOUT], raw_text);
        assert_string_equal(d.pos[DKR_STDOUT].stamp, T1); /* the tail may still grow */
        assert_int_equal(d.pos[DKR_STDOUT].extra, 4);
    }
}

static void bare_lines_are_read_on_after_any_byte(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < sizeof(raw); cut++) {
        struct dkr_demux d;
        struct output o = {0};
        struct dkr_position pos[DKR_STREAMS];
        dkr_demux_init(&d, true, NULL, on_bytes, &o);
        dkr_demux_feed(&d, raw, cut);
        memcpy(pos, d.pos, sizeof(pos));
        dkr_demux_init(&d, true, pos, on_bytes, &o);
        dkr_demux_feed(&d, raw, sizeof(raw) - 1);
        if (strcmp(o.text[DKR_STDOUT], raw_text) != 0) {
            fail_msg("cut at %zu: '%s'", cut, o.text[0]);
        }
    }
}

struct counter {
    size_t count;
    bool only_a;
};

static void count_bytes(void *arg, int stream, const char *data, size_t len)
{
    struct counter *c = arg;
    (void)stream;
    for (size_t i = 0; i < len; i++) {
        c->only_a = c->only_a && (data[i] == 'a' || data[i] == '\n');
    }
    c->count += len;
}

static void times_inside_of_a_long_bare_line_are_taken_out(void **state)
{
    struct dkr_demux d;
    struct mu_buf in;
    struct counter c = {.only_a = true};
    (void)state;
    mu_buf_init(&in, 65536);
    for (int part = 0; part < 3; part++) {
        mu_buf_puts(&in, T0 " ");
        for (int i = 0; i < (part < 2 ? 16384 : 100); i++) {
            mu_buf_putc(&in, 'a');
        }
    }
    mu_buf_putc(&in, '\n');
    dkr_demux_init(&d, true, NULL, count_bytes, &c);
    dkr_demux_feed(&d, in.data, in.len);
    assert_int_equal(c.count, 2 * 16384 + 101);
    assert_true(c.only_a);
    mu_buf_release(&in);
}

/* ---- where to ask from ---- */

static void since_is_a_little_before_the_later_stream(void **state)
{
    char since[DKR_SINCE_SIZE];
    struct dkr_position pos[DKR_STREAMS] = {{.same = 0}};
    (void)state;
    dkr_since(pos, since);
    assert_string_equal(since, "");
    strcpy(pos[DKR_STDERR].stamp, "1970-01-01T00:01:40.500000007Z");
    dkr_since(pos, since);
    assert_string_equal(since, "98.500000007");
    strcpy(pos[DKR_STDOUT].stamp, "1970-01-01T00:01:30.000000000Z");
    dkr_since(pos, since);
    assert_string_equal(since, "98.500000007");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_may_be_split_at_every_byte),
        cmocka_unit_test(reading_on_after_any_byte_loses_and_repeats_nothing),
        cmocka_unit_test(reading_on_from_an_old_position_skips_what_the_files_have),
        cmocka_unit_test(a_position_that_was_rotated_away_continues_with_what_is_left),
        cmocka_unit_test(a_frame_of_another_kind_breaks_the_stream),
        cmocka_unit_test(frames_without_a_time_are_taken_as_they_are),
        cmocka_unit_test(bare_lines_may_be_split_at_every_byte),
        cmocka_unit_test(bare_lines_are_read_on_after_any_byte),
        cmocka_unit_test(times_inside_of_a_long_bare_line_are_taken_out),
        cmocka_unit_test(since_is_a_little_before_the_later_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
