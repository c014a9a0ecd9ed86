#include "pull_stream.h"

#include <string.h>

enum { RECORD_MAX = 64 * 1024 };

void dkr_pull_stream_init(struct dkr_pull_stream *s)
{
    *s = (struct dkr_pull_stream){0};
    mu_buf_init(&s->record, RECORD_MAX);
}

void dkr_pull_stream_release(struct dkr_pull_stream *s)
{
    mu_buf_release(&s->record);
}

/* True when c ends an object. */
static bool step(struct dkr_pull_stream *s, char c)
{
    if (s->in_string) {
        if (s->is_escaped) {
            s->is_escaped = false;
        } else if (c == '\\') {
            s->is_escaped = true;
        } else if (c == '"') {
            s->in_string = false;
        }
    } else if (c == '"') {
        s->in_string = true;
    } else if (c == '{' || c == '[') {
        s->depth++;
    } else if (c == '}' || c == ']') {
        s->depth--;
        return s->depth == 0;
    }
    return false;
}

void dkr_pull_stream_feed(struct dkr_pull_stream *s,
                          const char *data,
                          size_t len,
                          dkr_record_cb on_record,
                          void *arg)
{
    for (size_t i = 0; i < len && !s->is_broken; i++) {
        if (s->depth == 0 && strchr(" \t\r\n", data[i]) != NULL && data[i] != '\0') {
            continue;
        }
        if ((s->depth == 0 && data[i] != '{') || mu_buf_putc(&s->record, data[i]) < 0) {
            s->is_broken = true;
        } else if (step(s, data[i])) {
            on_record(arg, mu_buf_str(&s->record), s->record.len);
            mu_buf_clear(&s->record);
        }
    }
}

bool dkr_pull_stream_is_complete(const struct dkr_pull_stream *s)
{
    return s->depth == 0 && !s->is_broken;
}
