/* Log levels. Lines are a fixed message followed by key=value pairs; see struct
 * mu_host.log. error: someone must act; warn: degraded, going on; info: state changes;
 * debug: per event; trace: state-machine moves. */
#ifndef MU_LOG_H
#define MU_LOG_H

enum mu_log_level { MU_ERROR = 1, MU_WARN, MU_INFO, MU_DEBUG, MU_TRACE };

#endif
