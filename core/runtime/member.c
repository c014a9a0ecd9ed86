/* See member.h. */
#include "runtime/member.h"

#include <stdio.h>
#include <string.h>

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

void member_address(const struct mu_member *m, char out[MEMBER_ADDRESS_MAX])
{
    const char *host = m->ip != NULL && m->ip[0] != '\0' ? m->ip : m->hostname;
    host = host == NULL ? "" : host;
    bool is_ip6 = strchr(host, ':') != NULL;
    (void)snprintf(out, MEMBER_ADDRESS_MAX, is_ip6 ? "[%.255s]:%u" : "%.255s:%u", host,
                   (unsigned)m->port);
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool member_is_same(const struct mu_member *a, const struct mu_member *b)
{
    return same_text(a->id, b->id) && same_text(a->hostname, b->hostname) &&
           same_text(a->ip, b->ip) && a->port == b->port && a->app_port == b->app_port;
}
