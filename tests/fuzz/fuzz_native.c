/* Fuzzer of the frames between the native containerizer and its supervisors, and of the
 * files in a state directory, which are frames too. Whatever the bytes are: refused, or
 * read within their bounds; a frame is taken alike however much follows it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../plugins/containerizer/mesos/helper/spec.h"
#include "../../plugins/containerizer/mesos/helper/state.h"
#include "base/alloc.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Read every byte that the decoder says is a text. */
static size_t touch(const char *const *texts, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        MU_ASSERT(texts[i] != NULL);
        sum += strlen(texts[i]);
    }
    return sum;
}

static void decode(const struct nat_frame *frame)
{
    struct nat_spec spec;
    struct nat_fault fault;
    struct nat_status status;
    (void)nat_status_decode(frame, &status);
    if (nat_spec_decode(frame, &spec, &fault) < 0) {
        return;
    }
    size_t sum = touch((const char *const *)spec.argv, spec.argc) +
                 touch((const char *const *)spec.envp, spec.envc);
    MU_ASSERT(spec.argv[spec.argc] == NULL && spec.envp[spec.envc] == NULL);
    for (size_t i = 0; i < spec.setting_count; i++) {
        sum += strlen(spec.settings[i].path) + strlen(spec.settings[i].value);
    }
    for (size_t i = 0; i < spec.volume_count; i++) {
        sum += strlen(spec.volumes[i].host) + strlen(spec.volumes[i].container);
    }
    for (size_t i = 0; i < spec.cgroup_count; i++) {
        sum += strlen(spec.cgroups[i].path);
    }
    MU_ASSERT(sum <= frame->len);
    nat_spec_release(&spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = mu_xmemdup(data, size);
    size_t at = 0;
    struct nat_frame frame;
    long used;
    while ((used = nat_frame_take(copy + at, size - at, &frame)) > 0) {
        struct nat_frame alone;
        MU_ASSERT(nat_frame_take(copy + at, (size_t)used, &alone) == used);
        MU_ASSERT(alone.len == frame.len);
        decode(&frame);
        at += (size_t)used;
    }
    free(copy);
    return 0;
}
