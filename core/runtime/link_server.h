/* The master's end of the agent link: POST /api/v1/agent-link.
 *
 * A call without `Mesos-Stream-Id` opens a link: its body is RecordIO whose first message
 * registers, the answer is a stream of RecordIO messages. Later calls carry the stream's
 * id and any number of messages, and are answered 202. Links are numbers that are never
 * used twice in a process. Loop thread.
 */
#ifndef MU_RUNTIME_LINK_SERVER_H
#define MU_RUNTIME_LINK_SERVER_H

#include <muster/host.h>

#include "domain/message.h"

struct link_server;

struct link_server_events {
    /* May this process serve links now? If not it answers the exchange itself and returns
     * false. */
    bool (*gate)(void *arg,
                 struct mu_http_exchange *x,
                 const struct mu_http_request *req);
    void (*message)(void *arg, uint64_t link, const struct mu_msg *msg); /* borrowed */
    void (*closed)(void *arg,
                   uint64_t link); /* the agent is gone; not after link_server_close */
};

struct link_server *link_server_create(const struct mu_host *host,
                                       const struct link_server_events *events,
                                       void *arg);
int link_server_start(struct link_server *s,
                      struct mu_error *err); /* registers the route */
void link_server_destroy(
    struct link_server *s); /* after the HTTP server stopped or the links were closed */
void link_server_send(struct link_server *s,
                      uint64_t link,
                      const struct mu_msg *msg); /* unknown links are ignored */
void link_server_close(struct link_server *s, uint64_t link);
void link_server_close_all(struct link_server *s);
uint64_t
link_server_new_number(struct link_server *s); /* for links that are not HTTP streams */

#endif
