/* The text lists of endpoints, one line per app and service port, which load balancers
 * of old read. Only running tasks; a line is there even if nothing runs. Pure. */
#ifndef MRT_CODEC_TASKS_TEXT_H
#define MRT_CODEC_TASKS_TEXT_H

#include <muster/buf.h>
#include <muster/kind/api.h>

struct mrt_endpoint {
    char *host, *ip;
    uint16_t *ports;
    size_t port_count;
};

struct mrt_tasks_text {
    const struct mu_app *app;
    bool v1; /* "id_port port host:port " with blanks; else with tabs */
    struct mrt_endpoint *v;
    size_t count, cap;
};

void mrt_tasks_text_add(struct mrt_tasks_text *t, const struct mu_app_task_row *row);
void mrt_tasks_text_write(const struct mrt_tasks_text *t, struct mu_buf *out);
void mrt_tasks_text_release(struct mrt_tasks_text *t);

#endif
