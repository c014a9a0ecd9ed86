/* What a Docker engine, a user's parameters and a damaged note can throw at containerizer
 * docker. The first byte chooses what is fed. */
#include <stdlib.h>
#include <string.h>

#include "../../plugins/containerizer/docker/codec.h"
#include "../../plugins/containerizer/docker/demux.h"
#include "../../plugins/containerizer/docker/log_files.h"
#include "../../plugins/containerizer/docker/params.h"
#include "../../plugins/containerizer/docker/pull_stream.h"
#include "base/alloc.h"
#include "base/check.h"

struct bytes {
    char *text;
    size_t len;
};

static void keep(void *arg, int stream, const char *data, size_t len)
{
    struct bytes *b = (struct bytes *)arg + stream;
    b->text = mu_xrealloc(b->text, b->len + len + 1);
    memcpy(b->text + b->len, data, len);
    b->len += len;
}

/* A log without a time in it cannot be read on; one in which the clock goes back can, but
 * not from where it went back to. So only: no crash, no byte invented. */
static void feed_demux(const char *data, size_t len, bool is_raw)
{
    struct bytes out[DKR_STREAMS] = {{0}};
    struct dkr_demux d;
    dkr_demux_init(&d, is_raw, NULL, keep, out);
    dkr_demux_feed(&d, data, len / 2);
    dkr_demux_feed(&d, data + len / 2, len - len / 2);
    MU_ASSERT(out[0].len + out[1].len <= len);
    struct dkr_position pos[DKR_STREAMS];
    memcpy(pos, d.pos, sizeof(pos));
    char since[DKR_SINCE_SIZE];
    dkr_since(pos, since);
    dkr_demux_init(&d, is_raw, pos, keep, out);
    dkr_demux_feed(&d, data, len);
    free(out[0].text);
    free(out[1].text);
}

static void on_record(void *arg, const char *record, size_t len)
{
    struct dkr_pull_record r;
    (void)arg;
    (void)dkr_decode_pull_record(record, len, &r, NULL);
}

static void feed_pull(const char *data, size_t len)
{
    struct dkr_pull_stream s;
    dkr_pull_stream_init(&s);
    dkr_pull_stream_feed(&s, data, len, on_record, NULL);
    dkr_pull_stream_release(&s);
}

static void feed_answers(const char *data, size_t len)
{
    struct dkr_version version;
    struct dkr_inspect inspect;
    struct dkr_list list = {0};
    struct mu_container_usage usage;
    char text[DKR_TEXT_SIZE];
    int64_t code;
    (void)dkr_decode_version(data, len, &version, NULL);
    (void)dkr_decode_created(data, len, text, NULL);
    (void)dkr_decode_inspect(data, len, "/w", &inspect, NULL);
    (void)dkr_decode_wait(data, len, &code, NULL);
    (void)dkr_decode_usage(data, len, &usage, NULL);
    if (dkr_decode_list(data, len, &list, NULL) == 0) {
        free(list.v);
    }
    dkr_decode_error(500, data, len, text);
    MU_ASSERT(text[0] != '\0');
}

/* "key=value", one per line */
static void feed_params(char *text)
{
    struct mu_pairs pairs = {0};
    struct dkr_fields fields = {0};
    char *json = NULL;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        char *value = line;
        char *key = strsep(&value, "=");
        mu_pairs_add(&pairs, key, value);
    }
    struct dkr_params_target target = {
        .fields = &fields, .network = "n", .api_version = 141};
    if (dkr_params_apply(&pairs, &target, NULL) == 0 &&
        dkr_encode_create(&fields, &json, NULL) == 0) {
        free(json);
    }
    mu_strings_release(&target.ignored);
    dkr_fields_release(&fields);
    mu_pairs_release(&pairs);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    if (size == 0) {
        return 0;
    }
    mu_auto_free char *text = mu_xalloc(size);
    memcpy(text, input + 1, size - 1);
    text[size - 1] = '\0';
    struct dkr_position pos[DKR_STREAMS];
    uint64_t sizes[DKR_STREAMS];
    switch (input[0] % 6) {
    case 0:
        feed_demux(text, size - 1, false);
        break;
    case 1:
        feed_demux(text, size - 1, true);
        break;
    case 2:
        feed_pull(text, size - 1);
        break;
    case 3:
        feed_answers(text, size - 1);
        break;
    case 4:
        feed_params(text);
        break;
    default:
        (void)dkr_note_parse(text, pos, sizes);
        break;
    }
    return 0;
}
