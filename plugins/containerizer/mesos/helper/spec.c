#include "spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct counts {
    size_t args, envs, groups, settings, volumes;
};

static int count_fields(const struct nat_frame *frame, struct counts *n)
{
    struct nat_field f;
    size_t at = 0;
    int more;
    while ((more = nat_field_next(frame, &at, &f)) > 0) {
        n->args += f.key == NAT_KEY_ARG;
        n->envs += f.key == NAT_KEY_ENV;
        n->groups += f.key == NAT_KEY_GROUP;
        n->settings += f.key == NAT_KEY_SETTING;
        n->volumes += f.key == NAT_KEY_VOLUME;
    }
    return more;
}

/* One block for all arrays: pointers first, then the smaller members. */
static bool allocate(struct nat_spec *s, const struct counts *n)
{
    size_t pointers = (n->args + 1 + n->envs + 1) * sizeof(char *);
    size_t settings = n->settings * sizeof(struct nat_setting);
    size_t volumes = n->volumes * sizeof(struct nat_volume);
    char *at = calloc(1, pointers + settings + volumes + n->groups * sizeof(gid_t));
    if (at == NULL) {
        return false;
    }
    s->block = at;
    s->argv = (char **)s->block;
    s->envp = s->argv + n->args + 1;
    s->settings = (struct nat_setting *)(void *)(at + pointers);
    s->volumes = (struct nat_volume *)(void *)(at + pointers + settings);
    s->groups = (gid_t *)(void *)(at + pointers + settings + volumes);
    return true;
}

static bool
take_cgroup(struct nat_cgroup *v, size_t *count, size_t max, const struct nat_field *f)
{
    if (*count == max || f->len < 2 || f->data[1] != '/') {
        return false;
    }
    v[(*count)++] =
        (struct nat_cgroup){.flags = (uint8_t)f->data[0], .path = f->data + 1};
    return true;
}

static bool take_pair(struct nat_spec *s, const struct nat_field *f)
{
    size_t skip = f->key == NAT_KEY_VOLUME ? 1 : 0;
    char *second = nat_field_second(f, skip);
    if (second == NULL) {
        return false;
    }
    if (f->key == NAT_KEY_SETTING) {
        s->settings[s->setting_count++] =
            (struct nat_setting){.path = f->data, .value = second};
    } else {
        s->volumes[s->volume_count++] = (struct nat_volume){
            .read_only = f->data[0] != 0, .host = f->data + 1, .container = second};
    }
    return true;
}

/* Members that are one text each; NULL: the key is none of them. */
static char **text_member(struct nat_spec *s, uint8_t key)
{
    switch (key) {
    case NAT_KEY_ID:
        return &s->id;
    case NAT_KEY_STATE_DIR:
        return &s->state_dir;
    case NAT_KEY_SANDBOX:
        return &s->sandbox;
    case NAT_KEY_LABEL:
        return &s->label;
    case NAT_KEY_PROGRAM:
        return &s->program;
    case NAT_KEY_BOOT:
        return &s->boot;
    default:
        return NULL;
    }
}

static void take_number(struct nat_spec *s, const struct nat_field *f)
{
    uint64_t v = nat_field_u64(f);
    switch (f->key) {
    case NAT_KEY_FLAGS:
        s->flags = (uint32_t)v;
        break;
    case NAT_KEY_UID:
        s->has_user = true;
        s->uid = (uid_t)v;
        break;
    case NAT_KEY_GID:
        s->gid = (gid_t)v;
        break;
    case NAT_KEY_GROUP:
        s->groups[s->group_count++] = (gid_t)v;
        break;
    case NAT_KEY_TIMEOUT_MS:
        s->timeout_ms = v;
        break;
    case NAT_KEY_FILES_SOFT:
        s->files_soft = v;
        break;
    case NAT_KEY_FILES_HARD:
        s->files_hard = v;
        break;
    case NAT_KEY_OUTPUT_MAX:
        s->output_max = v;
        break;
    case NAT_KEY_PID:
        s->pid = (int64_t)v;
        break;
    case NAT_KEY_START:
        s->start = v;
        break;
    default:
        break; /* of a newer plugin */
    }
}

static bool take_field(struct nat_spec *s, const struct nat_field *f)
{
    char **text = text_member(s, f->key);
    if (text != NULL) {
        *text = f->data;
        return true;
    }
    switch (f->key) {
    case NAT_KEY_ARG:
        s->argv[s->argc++] = f->data;
        return true;
    case NAT_KEY_ENV:
        s->envp[s->envc++] = f->data;
        return true;
    case NAT_KEY_CGROUP:
        return take_cgroup(s->cgroups, &s->cgroup_count, NAT_CGROUPS_MAX, f);
    case NAT_KEY_SETTING:
    case NAT_KEY_VOLUME:
        return take_pair(s, f);
    case NAT_KEY_LEAVE:
        return take_cgroup(s->leaves, &s->leave_count, NAT_LEAVES_MAX, f);
    default:
        take_number(s, f);
        return true;
    }
}

/* Decode a frame into *out, whose texts point into the frame. */
int nat_spec_decode(const struct nat_frame *frame,
                    struct nat_spec *out,
                    struct nat_fault *fault)
{
    *out = (struct nat_spec){0};
    struct counts n = {0};
    if (count_fields(frame, &n) < 0) {
        return nat_fault_set(fault, EPROTO, "launch description");
    }
    if (!allocate(out, &n)) {
        return nat_fault_set(fault, ENOMEM, "launch description");
    }
    struct nat_field f;
    size_t at = 0;
    while (nat_field_next(frame, &at, &f) > 0) {
        if (!take_field(out, &f)) {
            nat_spec_release(out);
            return nat_fault_set(fault, EPROTO, "launch description, key %d", f.key);
        }
    }
    return 0;
}

/* Free the arrays; the texts are the frame's. */
void nat_spec_release(struct nat_spec *spec)
{
    free(spec->block);
    *spec = (struct nat_spec){0};
}
