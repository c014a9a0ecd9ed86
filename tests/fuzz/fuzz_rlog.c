/* Fuzzer of the records of registry replicated_log: whatever the bytes are, a record is
 * refused or read within its bounds, and a state that was reached by replay has a
 * snapshot that replays to an equal one. The input is a row of records: length (two
 * bytes), bytes.
 */
#include <stdint.h>

#include "../../plugins/registry/replicated_log/state.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_snapshot(const struct rlog_state *s)
{
    struct rlog_snapshot snapshot;
    struct rlog_state again = {.epoch = 0};
    struct mu_error err;
    rlog_snapshot_init(&snapshot, s);
    for (size_t i = 0; i < snapshot.count; i++) {
        int rc = rlog_state_replay(&again, snapshot.records[i].data,
                                   snapshot.records[i].len, &err);
        MU_ASSERT(rc == 0);
    }
    MU_ASSERT(again.epoch == s->epoch && again.map.count == s->map.count);
    MU_ASSERT(again.map.live_bytes == s->map.live_bytes);
    rlog_snapshot_release(&snapshot);
    rlog_state_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rlog_state s = {.epoch = 0};
    struct mu_error err;
    size_t at = 0;
    while (size - at >= 2) {
        size_t len = (size_t)data[at] | (size_t)data[at + 1] << 8;
        at += 2;
        len = len < size - at ? len : size - at;
        if (rlog_state_replay(&s, data + at, len, &err) < 0) {
            break;
        }
        at += len;
    }
    check_snapshot(&s);
    rlog_state_release(&s);
    return 0;
}
