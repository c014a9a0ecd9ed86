/* See member.h. */
#include "member.h"

#include "zk/alloc.h"

static char *copy_text(const char *s)
{
    return s == NULL ? NULL : zks_copy(s, strlen(s));
}

static void free_text(const char *s)
{
    free((void *)(uintptr_t)s);
}

void zke_member_copy(struct mu_member *to, const struct mu_member *from)
{
    *to = (struct mu_member){
        .struct_size = sizeof(*to),
        .id = copy_text(from->id),
        .hostname = copy_text(from->hostname),
        .ip = copy_text(from->ip),
        .port = from->port,
        .app_port = from->app_port,
        .version = copy_text(from->version),
        .znode = copy_text(from->znode),
    };
}

void zke_member_release(struct mu_member *m)
{
    free_text(m->id);
    free_text(m->hostname);
    free_text(m->ip);
    free_text(m->version);
    free_text(m->znode);
    *m = (struct mu_member){0};
}
