/* See pages.h. The program is a run of entries: one byte of kind, the text, a NUL. */
#include "pages.h"

#include <string.h>

#include "alloc.h"

enum {
    PIECE = 128 * 1024,              /* written before the socket gets its turn */
    OUT_MAX = 512 * 1024 * 1024,     /* one app's tasks come in one piece */
    PROGRAM_MAX = 512 * 1024 * 1024, /* all ids */
};

enum kind { KIND_TEXT = 't', KIND_APP = 'a' };

struct mrt_pages *
mrt_pages_create(const struct mrt_request *rq, const char *type, mrt_pages_cb write_app)
{
    struct mrt_pages *p = MRT_NEW(struct mrt_pages);
    p->m = rq->m;
    p->x = rq->x;
    p->type = type;
    p->write_app = write_app;
    mu_buf_init(&p->out, OUT_MAX);
    mu_buf_init(&p->program, PROGRAM_MAX);
    return p;
}

void mrt_pages_free(struct mrt_pages *p)
{
    mu_buf_release(&p->out);
    mu_buf_release(&p->program);
    free(p);
}

static void add(struct mrt_pages *p, enum kind kind, const char *text)
{
    (void)mu_buf_putc(&p->program, (char)kind);
    (void)mu_buf_append(&p->program, text, strlen(text) + 1);
}

void mrt_pages_add_text(struct mrt_pages *p, const char *text)
{
    add(p, KIND_TEXT, text);
}

void mrt_pages_add_app(struct mrt_pages *p, const char *app_id)
{
    add(p, KIND_APP, app_id);
}

void mrt_pages_separate(struct mrt_pages *p)
{
    if (p->comma) {
        (void)mu_buf_putc(&p->out, ',');
    }
    p->comma = true;
}

static void unlink_pages(struct mrt_pages *p)
{
    struct mrt_pages **at = &p->m->pages;
    while (*at != p) {
        at = &(*at)->next;
    }
    *at = p->next;
    p->m->pages_count--;
}

/* The next entries, until a piece is full: 1, or 0 at the end, or a negative code. */
static int produce(struct mrt_pages *p)
{
    while (p->at < p->program.len && p->out.len < PIECE) {
        const char *entry = p->program.data + p->at;
        p->at += strlen(entry) + 1;
        if (entry[0] == KIND_TEXT) {
            (void)mu_buf_puts(&p->out, entry + 1);
            p->comma = false;
            continue;
        }
        int rc = p->write_app(p, entry + 1);
        if (rc < 0) {
            return rc;
        }
    }
    return !mu_buf_ok(&p->out) ? MU_E_LIMIT : p->at < p->program.len;
}

static void begin_stream(struct mrt_pages *p)
{
    struct mu_http_header headers[MRT_HEADERS_MAX];
    struct mrt_header_text text;
    size_t n =
        mrt_headers(p->m, p->m->host->http_request_of(p->x), p->type, &text, headers);
    p->m->host->http_stream_begin(p->x, 200, headers, n, true);
}

/* The answer is whole, or code says why it never will be. */
static void finish(struct mrt_pages *p, int code)
{
    struct mrt *m = p->m;
    unlink_pages(p);
    if (code < 0) {
        m->host->http_stream_abort(p->x);
    } else {
        m->host->http_stream_end(p->x);
    }
    mrt_pages_free(p);
    mrt_maybe_stopped(m);
}

static void on_client_gone(void *arg)
{
    struct mrt_pages *p = arg;
    struct mrt *m = p->m;
    unlink_pages(p);
    mrt_pages_free(p);
    mrt_maybe_stopped(m);
}

static void on_drained(void *arg)
{
    struct mrt_pages *p = arg;
    mu_buf_clear(&p->out);
    int rc = produce(p);
    if (rc < 0) {
        finish(p, rc);
        return;
    }
    if (p->out.len > 0 &&
        p->m->host->http_stream_write(p->x, p->out.data, p->out.len) < 0) {
        return; /* on_close follows */
    }
    if (rc == 0) {
        finish(p, 0);
    } else {
        p->m->host->http_stream_drain(p->x, PIECE, on_drained, p);
    }
}

void mrt_pages_send(struct mrt_pages *p)
{
    struct mrt *m = p->m;
    int rc = mu_buf_ok(&p->program) ? produce(p) : MU_E_LIMIT;
    if (rc <= 0) {
        if (rc == 0) {
            mrt_answer_with(m, p->x, 200, p->type, &p->out, NULL, 0);
        } else {
            mrt_answer_not_ready(m, p->x, rc);
        }
        mrt_pages_free(p);
        return;
    }
    p->next = m->pages;
    m->pages = p;
    m->pages_count++;
    begin_stream(p);
    m->host->http_on_close(p->x, on_client_gone, p);
    if (m->host->http_stream_write(p->x, p->out.data, p->out.len) == 0) {
        m->host->http_stream_drain(p->x, PIECE, on_drained, p);
    }
}

void mrt_pages_stop(struct mrt *m)
{
    while (m->pages != NULL) {
        struct mrt_pages *p = m->pages;
        m->pages = p->next;
        m->pages_count--;
        m->host->http_stream_abort(p->x);
        mrt_pages_free(p);
    }
}
