/* See codec_tasks_text.h. */
#include "codec_tasks_text.h"

#include "alloc.h"
#include "app_id.h"

void mrt_tasks_text_add(struct mrt_tasks_text *t, const struct mu_app_task_row *row)
{
    if (row->state != MU_TASK_RUNNING) {
        return;
    }
    t->v = mrt_grown(t->v, t->count, &t->cap, sizeof(*t->v));
    struct mrt_endpoint *e = &t->v[t->count++];
    *e = (struct mrt_endpoint){
        .host = mrt_strdup(row->host),
        .ip = mrt_strdup(row->ip),
        .port_count = row->port_count,
    };
    if (row->port_count > 0) {
        e->ports = mrt_calloc(row->port_count, sizeof(uint16_t));
        memcpy(e->ports, row->ports, row->port_count * sizeof(uint16_t));
    }
}

static const char *or_empty(const char *s)
{
    return s == NULL ? "" : s;
}

/* The i-th port of a task: on its host, or inside where nothing of the host is mapped. */
static void write_address(const struct mrt_tasks_text *t,
                          const struct mrt_endpoint *e,
                          size_t i,
                          char separator,
                          struct mu_buf *out)
{
    const struct mu_app_port_mapping *m =
        i < t->app->mapping_count ? &t->app->mappings[i] : NULL;
    if (m != NULL && !m->has_host_port) {
        (void)mu_buf_printf(out, "%s:%u%c", or_empty(e->ip), (unsigned)m->container_port,
                            separator);
    } else if (i < e->port_count && e->ports[i] != 0) {
        (void)mu_buf_printf(out, "%s:%u%c", or_empty(e->host), (unsigned)e->ports[i],
                            separator);
    }
}

static void write_port_line(const struct mrt_tasks_text *t,
                            const char *name,
                            size_t i,
                            uint16_t service_port,
                            struct mu_buf *out)
{
    if (t->v1) {
        (void)mu_buf_printf(out, "%s_%u %u ", name, (unsigned)service_port,
                            (unsigned)service_port);
    } else {
        (void)mu_buf_printf(out, "%s\t%u\t", name, (unsigned)service_port);
    }
    for (size_t k = 0; k < t->count; k++) {
        write_address(t, &t->v[k], i, t->v1 ? ' ' : '\t', out);
    }
    (void)mu_buf_putc(out, '\n');
}

void mrt_tasks_text_write(const struct mrt_tasks_text *t, struct mu_buf *out)
{
    char name[MU_APP_ID_MAX];
    const struct mu_app *app = t->app;
    mrt_app_id_safe(app->id, name, sizeof(name));
    for (size_t i = 0; i < app->port_count; i++) {
        write_port_line(t, name, i, app->ports[i].port, out);
    }
    for (size_t i = 0; i < app->mapping_count; i++) {
        write_port_line(t, name, i, app->mappings[i].service_port, out);
    }
    if (app->port_count + app->mapping_count > 0) {
        return;
    }
    (void)mu_buf_puts(out, name);
    (void)mu_buf_puts(out, t->v1 ? "   " : "\t \t");
    for (size_t k = 0; k < t->count; k++) {
        (void)mu_buf_printf(out, "%s ", or_empty(t->v[k].host));
    }
    (void)mu_buf_putc(out, '\n');
}

void mrt_tasks_text_release(struct mrt_tasks_text *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->v[i].host);
        free(t->v[i].ip);
        free(t->v[i].ports);
    }
    free(t->v);
    *t = (struct mrt_tasks_text){0};
}
