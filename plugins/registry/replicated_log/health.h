/* How a log is: for /metrics/snapshot, /state and whoever waits for it. Loop thread. */
#ifndef RLOG_HEALTH_H
#define RLOG_HEALTH_H

#include <muster/json_writer.h>

#include "log.h"

/* Set the log's gauges: registrar/log/... for the log "master", as Mesos has them,
 * registry/NAME/log/... for any other. */
void rlog_health_publish(const struct rlog_log *log);
/* This replica is out of use: no gauge may say that it votes. */
void rlog_health_retract(const struct rlog_log *log);
/* Members of the JSON object that w is in. */
void rlog_health_describe(const struct rlog_log *log, struct mu_jw *w);
/* Why what was asked of it is not answered; nothing when no reason is known. */
void rlog_health_explain(const struct rlog_log *log, struct mu_buf *out);

#endif
