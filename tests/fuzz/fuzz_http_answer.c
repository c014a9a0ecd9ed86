/* Fuzzes the parser of answers: any cut of the input must give the same outcome, head and
 * body. First byte: the cut, whether the body is streamed, HEAD, and what stops it. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "runtime/http_answer.h"

enum { BODY_MAX = 4096, HEAD_MAX = 2048 };

struct seen {
    struct mu_buf text; /* status, headers, body */
    int heads, outcome;
};

static void on_headers(void *arg, int status, const struct mu_http_header *h, size_t n)
{
    struct seen *s = arg;
    assert(s->heads++ == 0 && (status == 101 || status >= 200));
    mu_buf_printf(&s->text, "%d\n", status);
    for (size_t i = 0; i < n; i++) {
        mu_buf_printf(&s->text, "%s=%s\n", h[i].name, h[i].value);
    }
}

static void on_data(void *arg, const char *data, size_t len)
{
    struct seen *s = arg;
    assert(s->heads == 1);
    mu_buf_append(&s->text, data, len);
}

static void
parse(const char *data, size_t size, size_t cut, uint8_t flags, struct seen *s)
{
    const bool never = false;
    *s = (struct seen){0};
    mu_buf_init(&s->text, 1 << 24);
    const struct mu_http_ask ask = {
        .method = (flags & 0x40) != 0 ? "HEAD" : "GET",
        .max_body = BODY_MAX,
        .on_headers = on_headers,
        .on_data = (flags & 0x80) != 0 ? on_data : NULL,
        .arg = s,
    };
    struct http_answer a;
    http_answer_init(&a, &ask, HEAD_MAX, &never);
    while (size > 0 && s->outcome == 0) {
        size_t n = size < cut ? size : cut;
        s->outcome = http_answer_feed(&a, data, n);
        data += n;
        size -= n;
    }
    if (s->outcome == 0) {
        s->outcome = http_answer_end(&a);
    }
    assert(s->outcome == 1 ? a.is_complete && a.head_done : s->outcome < 0);
    assert((s->outcome < 0) == (a.failure != 0) && a.body.len <= BODY_MAX);
    assert(!a.can_keep_alive || a.is_complete);
    if (s->outcome == 1) {
        mu_buf_append(&s->text, mu_buf_str(&a.body), a.body.len);
    }
    http_answer_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 65536) {
        return 0;
    }
    struct seen whole, cut;
    parse((const char *)data + 1, size - 1, size, data[0], &whole);
    parse((const char *)data + 1, size - 1, (data[0] & 0x1f) + 1u, data[0], &cut);
    /* Which of two reasons is found first may depend on the cut. */
    assert((whole.outcome == 1) == (cut.outcome == 1));
    if (whole.outcome == 1) { /* a failure may come before or behind a piece */
        assert(whole.text.len == cut.text.len);
        assert(memcmp(mu_buf_str(&whole.text), mu_buf_str(&cut.text), cut.text.len) == 0);
    }
    mu_buf_release(&whole.text);
    mu_buf_release(&cut.text);
    return 0;
}
