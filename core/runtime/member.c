/* See member.h. */
#include "runtime/member.h"

#include "base/alloc.h"

void member_copy(struct mu_member *dst, const struct mu_member *src)
{
    *dst = *src;
    dst->struct_size = sizeof(*dst);
    dst->id = mu_xstrdup(src->id);
    dst->hostname = mu_xstrdup(src->hostname);
    dst->ip = mu_xstrdup(src->ip);
    dst->version = mu_xstrdup(src->version);
    dst->znode = mu_xstrdup(src->znode);
}

static void free_text(const char *s)
{
    void *p;
    memcpy(&p, &s, sizeof(p)); /* ours, although the struct shows it as const */
    free(p);
}

void member_release(struct mu_member *m)
{
    free_text(m->id);
    free_text(m->hostname);
    free_text(m->ip);
    free_text(m->version);
    free_text(m->znode);
    *m = (struct mu_member){0};
}
