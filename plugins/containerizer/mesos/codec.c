#include "codec.h"

#include <stdio.h>
#include <string.h>

static void put_command(const struct mu_command *c, struct nat_out *out)
{
    if (c->shell) {
        nat_out_text(out, NAT_KEY_PROGRAM, "/bin/sh");
        nat_out_text(out, NAT_KEY_ARG, "sh");
        nat_out_text(out, NAT_KEY_ARG, "-c");
        nat_out_text(out, NAT_KEY_ARG, c->value);
        return;
    }
    nat_out_text(out, NAT_KEY_PROGRAM, c->value);
    if (c->args.count == 0) {
        nat_out_text(out, NAT_KEY_ARG, c->value);
    }
    for (size_t i = 0; i < c->args.count; i++) { /* args[0] is argv[0], as in Mesos */
        nat_out_text(out, NAT_KEY_ARG, c->args.v[i]);
    }
}

/* Each name once, the last value counts. */
static void put_environment(const struct nat_launch *l, struct nat_out *out)
{
    struct mu_pairs env = {0};
    for (size_t i = 0; i < l->env->count; i++) {
        mu_pairs_set(&env, l->env->v[i].key, l->env->v[i].value);
    }
    mu_pairs_set(&env, "MESOS_SANDBOX", l->sandbox);
    for (size_t i = 0; i < env.count; i++) {
        struct mu_buf entry;
        mu_buf_init(&entry, NAT_FRAME_MAX);
        mu_buf_puts(&entry, env.v[i].key);
        mu_buf_putc(&entry, '=');
        mu_buf_puts(&entry, env.v[i].value);
        if (!mu_buf_ok(&entry)) {
            out->failed = true;
        }
        nat_out_text(out, NAT_KEY_ENV, mu_buf_str(&entry));
        mu_buf_release(&entry);
    }
    mu_pairs_release(&env);
}

static void put_user(const struct nat_user *u, struct nat_out *out)
{
    if (!u->must_switch) {
        return;
    }
    nat_out_u64(out, NAT_KEY_UID, u->uid);
    nat_out_u64(out, NAT_KEY_GID, u->gid);
    for (size_t i = 0; i < u->group_count; i++) {
        nat_out_u64(out, NAT_KEY_GROUP, u->groups[i]);
    }
}

static void put_leave(const char *root, uint8_t flags, struct nat_out *out)
{
    if (root[0] == '\0') {
        return;
    }
    char path[300];
    snprintf(path, sizeof(path), "%s/supervisors", root);
    nat_out_pair(out, NAT_KEY_LEAVE, &flags, path, NULL);
}

static void put_groups(const struct nat_launch *l, struct nat_out *out)
{
    struct nat_group_list groups;
    nat_cgroups_of(l->layout, l->id, &groups);
    for (size_t i = 0; i < groups.count; i++) {
        uint8_t flags = (uint8_t)((groups.v[i].is_v2 ? NAT_CGROUP_V2 : 0u) |
                                  (groups.v[i].has_memory ? NAT_CGROUP_MEMORY : 0u));
        nat_out_pair(out, NAT_KEY_CGROUP, &flags, groups.v[i].path, NULL);
    }
    struct mu_pairs settings = {0};
    nat_limits_make(l->layout, l->limits, l->id, &l->task->resources, &settings);
    for (size_t i = 0; i < settings.count; i++) {
        nat_out_pair(out, NAT_KEY_SETTING, NULL, settings.v[i].key, settings.v[i].value);
    }
    mu_pairs_release(&settings);
    put_leave(l->layout->leave_v1, 0, out);
    put_leave(l->layout->leave_v2, NAT_CGROUP_V2, out);
}

static void put_volumes(const struct mu_volumes *volumes, struct nat_out *out)
{
    for (size_t i = 0; i < volumes->count; i++) {
        const struct mu_volume *v = &volumes->v[i];
        uint8_t read_only = v->read_only;
        /* Without a host path it is a directory of the sandbox under the same name. */
        const char *host = v->host_path != NULL ? v->host_path : v->container_path;
        nat_out_pair(out, NAT_KEY_VOLUME, &read_only, host, v->container_path);
    }
}

/* Encode what to run. */
bool nat_codec_spec(const struct nat_launch *l, struct nat_out *out)
{
    nat_out_begin(out, NAT_SPEC);
    nat_out_text(out, NAT_KEY_ID, l->id);
    nat_out_text(out, NAT_KEY_STATE_DIR, l->state_dir);
    nat_out_text(out, NAT_KEY_SANDBOX, l->sandbox);
    nat_out_text(out, NAT_KEY_LABEL, l->label);
    nat_out_u64(out, NAT_KEY_FLAGS, l->flags);
    if (l->descriptors_hard > 0) {
        nat_out_u64(out, NAT_KEY_FILES_SOFT, l->descriptors_soft);
        nat_out_u64(out, NAT_KEY_FILES_HARD, l->descriptors_hard);
    }
    nat_out_u64(out, NAT_KEY_OUTPUT_MAX, l->output_max);
    put_user(l->user, out);
    put_groups(l, out);
    put_volumes(&l->task->container.volumes, out);
    put_command(&l->task->command, out);
    put_environment(l, out);
    return nat_out_end(out);
}

/* Encode a signal, or destroy. */
bool nat_codec_signal(int signal_number, struct nat_out *out)
{
    nat_out_begin(out, signal_number != 0 ? NAT_KILL : NAT_DESTROY);
    if (signal_number != 0) {
        nat_out_u64(out, NAT_KEY_SIGNAL, (uint64_t)signal_number);
    }
    return nat_out_end(out);
}

/* Encode an order to clean up. */
bool nat_codec_clean(const char *state_dir,
                     uint32_t flags,
                     uint64_t timeout_ms,
                     struct nat_out *out)
{
    nat_out_begin(out, NAT_CLEAN);
    nat_out_text(out, NAT_KEY_STATE_DIR, state_dir);
    nat_out_u64(out, NAT_KEY_FLAGS, flags);
    nat_out_u64(out, NAT_KEY_TIMEOUT_MS, timeout_ms);
    return nat_out_end(out);
}

static bool is_known_type(uint8_t type)
{
    static const char known[] = {NAT_WARNING, NAT_STARTED, NAT_FAILED, NAT_EXITED,
                                 NAT_CLEANED};
    return memchr(known, type, sizeof(known)) != NULL;
}

/* errno's texts begin with a capital; ours do not. */
static void put_reason(struct nat_message *m, const char *what)
{
    const char *reason = mu_strerror(m->code);
    int n = snprintf(m->text, sizeof(m->text), "%s: %s", what, reason);
    char *first = n > 0 ? m->text + strlen(what) + 2 : NULL;
    bool is_word = reason[0] >= 'A' && reason[0] <= 'Z' && reason[1] >= 'a';
    if (is_word && first != NULL && first < m->text + sizeof(m->text) - 1) {
        *first = (char)(*first - 'A' + 'a');
    }
}

static void compose_text(struct nat_message *m, const char *what, uint64_t err)
{
    m->code = err > 0 && err < 4096 ? -(int)err : MU_E_INVALID;
    if (err > 0) {
        put_reason(m, what);
    } else {
        snprintf(m->text, sizeof(m->text), "%s", what);
    }
}

/* Decode one frame. */
bool nat_codec_message(const struct nat_frame *frame, struct nat_message *out)
{
    if (!is_known_type(frame->type)) {
        return false;
    }
    *out = (struct nat_message){.type = (enum nat_frame_type)frame->type};
    if (!nat_status_decode(frame, &out->status)) {
        return false;
    }
    const char *what = NULL;
    uint64_t err = 0;
    struct nat_field f;
    size_t at = 0;
    while (nat_field_next(frame, &at, &f) > 0) {
        if (f.key == NAT_KEY_PID) {
            out->pid = (int64_t)nat_field_u64(&f);
        } else if (f.key == NAT_KEY_TEXT) {
            what = f.data;
        } else if (f.key == NAT_KEY_ERRNO) {
            err = nat_field_u64(&f);
        }
    }
    if (what != NULL) {
        compose_text(out, what, err);
    }
    return true;
}
