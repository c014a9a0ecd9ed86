/* Where log lines go: one line of text or one JSON object per call, to a file descriptor.
 *
 * A line is a fixed message and key=value pairs given as a format ("agent=%s gap_ms=%d").
 * The sink formats each pair on its own, so a value from a user can neither break the
 * line nor pose as another pair: in text it is quoted and escaped where needed, in JSON
 * it is a string, and a pair that is one number stays a number. User and password in a
 * URL are always hidden. Any thread: a line is built on the caller's stack and heap and
 * written with one write().
 */
#ifndef MU_RUNTIME_LOG_SINKS_H
#define MU_RUNTIME_LOG_SINKS_H

#include <muster/buf.h>
#include <muster/log.h>

#include <stdarg.h>

#define RT_LOG_LINE_MAX 16384u

struct rt_log {
    int fd;    /* -1: nowhere */
    int level; /* enum mu_log_level: lines above it are left out */
    bool json;
};

/* source: the plugin's name or NULL. fmt may be NULL. */
void rt_log_write(const struct rt_log *log,
                  const char *source,
                  int level,
                  const char *message,
                  const char *fmt,
                  va_list ap);
struct rt_log_line {
    int64_t wall_ms;
    const char *source; /* the plugin's name or NULL */
    int level;
    const char *message;
};
/* The line alone, newline included: what rt_log_write writes. */
void rt_log_format(struct mu_buf *out,
                   bool json,
                   const struct rt_log_line *line,
                   const char *fmt,
                   va_list ap);
/* "zk://user:secret@host": what stands between "://" and "@" becomes "***", wherever
 * there is such a URL in the value. */
void rt_hide_credentials(struct mu_buf *value);
const char *rt_log_level_name(int level); /* "error" ... "trace" */
/* Mesos' names (INFO, WARNING, ERROR) and ours, any case. MU_E_INVALID for others. */
int rt_log_level_parse(const char *text, int *out_level);

#endif
