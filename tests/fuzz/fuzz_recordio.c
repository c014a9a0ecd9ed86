/* Fuzzes the RecordIO decoder: any cut of the input must give the same records, and
 * decoded records encode to something that decodes to the same. First byte: the cut. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "codec/recordio.h"

enum { RECORD_MAX = 1000 };

/* Records as text: again framed, so that two sinks can be compared. */
static int on_record(void *arg, const char *data, size_t len)
{
    assert(len <= RECORD_MAX);
    int status = recordio_encode(arg, data, len);
    assert(status == 0);
    return 0;
}

static int feed(const char *data, size_t size, size_t cut, struct mu_buf *out)
{
    struct recordio_decoder d;
    recordio_decoder_init(&d, RECORD_MAX);
    mu_buf_init(out, 1 << 20);
    int status = 0;
    while (size > 0 && status == 0) {
        size_t n = size < cut ? size : cut;
        status = recordio_decoder_feed(&d, data, n, on_record, out, NULL);
        data += n;
        size -= n;
    }
    recordio_decoder_release(&d);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 65536) {
        return 0;
    }
    const char *text = (const char *)data + 1;
    struct mu_buf whole;
    struct mu_buf cut;
    int status = feed(text, size - 1, size, &whole);
    assert(feed(text, size - 1, data[0] % 32 + 1, &cut) == status);
    assert(whole.len == cut.len);
    assert(whole.len == 0 || memcmp(whole.data, cut.data, whole.len) == 0);
    mu_buf_release(&cut);
    assert(feed(mu_buf_str(&whole), whole.len, 7, &cut) == 0);
    assert(whole.len == cut.len);
    mu_buf_release(&cut);
    mu_buf_release(&whole);
    return 0;
}
