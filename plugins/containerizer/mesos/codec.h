/* Frames to and from the supervisor (helper/wire.h), in terms of the plugin. Pure. */
#ifndef NAT_CODEC_H
#define NAT_CODEC_H

#include <muster/task.h>

#include "cgroups.h"
#include "helper/state.h"
#include "user.h"

/* Everything a launch needs. Borrowed. */
struct nat_launch {
    const char *id, *state_dir, *sandbox, *label;
    const struct mu_task_info *task;
    const struct mu_pairs *env; /* without MESOS_SANDBOX */
    const struct nat_user *user;
    const struct nat_layout *layout;
    const struct nat_limit_flags *limits;
    uint32_t flags;                              /* enum nat_spec_flags */
    uint64_t descriptors_soft, descriptors_hard; /* hard 0: as they are */
    uint64_t output_max;                         /* 0: no bound */
};

/* False: it does not fit into a frame. */
bool nat_codec_spec(const struct nat_launch *l, struct nat_out *out);
/* signal_number 0: destroy. */
bool nat_codec_signal(int signal_number, struct nat_out *out);
bool nat_codec_clean(const char *state_dir,
                     uint32_t flags,
                     uint64_t timeout_ms,
                     struct nat_out *out);

/* A frame of a supervisor or of a clean-up, as far as it applies. */
struct nat_message {
    enum nat_frame_type type;
    int64_t pid;
    int code; /* negative errno of a fault; 0 none */
    struct nat_status status;
    char text[384]; /* of a fault, with the errno's text */
};

/* False: damaged, or of a type that is unknown here (to be skipped). */
bool nat_codec_message(const struct nat_frame *frame, struct nat_message *out);

#endif
