/* Fuzzer of what muster log does with the records of a journal: whatever the bytes are,
 * each gets its lines, none of them has a control character, and what has no mistake is
 * what a replica starts with. The input is a row of records: length (two bytes), bytes.
 */
#include <stdint.h>
#include <string.h>

#include "../../plugins/registry/replicated_log/dump.h"
#include "../../plugins/registry/replicated_log/survey.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_line(void *arg, const char *line)
{
    size_t *lines = arg;
    ++*lines;
    MU_ASSERT(strncmp(line, "log ", 4) == 0);
    for (; *line != '\0'; line++) {
        MU_ASSERT((uint8_t)*line >= 0x20 && *line != 0x7f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rlog_survey s;
    size_t lines = 0;
    struct rlog_dump d = {
        .log = "log", .whole_values = size % 2 == 0, .put = on_line, .arg = &lines};
    struct paxos_view v;
    rlog_survey_init(&s);
    struct paxos *plain =
        paxos_create(&(const struct paxos_config){.id = 1, .address = "", .quorum = 1});
    for (size_t at = 0; size - at >= 2;) {
        size_t len = (size_t)data[at] | (size_t)data[at + 1] << 8;
        at += 2;
        len = len < size - at ? len : size - at;
        size_t before = lines;
        rlog_survey_add(&s, at, data + at, len);
        rlog_dump_record(&d, at, s.records, data + at, len);
        MU_ASSERT(lines > before);
        if (s.status == 0) {
            int rc = paxos_replay(plain, data + at, len, NULL);
            MU_ASSERT(rc == 0);
        }
        at += len;
    }
    paxos_view(s.machine, &v);
    uint64_t committed = v.committed;
    size_t count = v.state->map.count;
    rlog_dump_map(&d, &v.state->map);
    if (s.status == 0) {
        paxos_view(plain, &v);
        MU_ASSERT(v.committed == committed && v.state->map.count == count);
    }
    paxos_destroy(plain);
    rlog_survey_release(&s);
    mu_buf_release(&d.line);
    return 0;
}
