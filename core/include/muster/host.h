/* struct mu_host: everything the core offers a plugin. A test, the simulator or a fuzzer
 * passes a host of its own to the same plugin binary.
 *
 * Loop thread only unless a line says "any thread". Callbacks come from the loop, never
 * inside the call that asked for them. In the simulator loop() is NULL, time is virtual
 * and random is seeded.
 */
#ifndef MU_HOST_H
#define MU_HOST_H

#include <muster/error.h>
#include <muster/flag.h>
#include <muster/http.h>
#include <muster/journal.h>
#include <muster/log.h>

MU_EXTERN_C_BEGIN

struct uv_loop_s;
struct mu_inbox;
struct mu_timer;

/* Embed it in what a foreign thread posts; container_of brings the rest back. The poster
 * allocates, the receiver frees. */
struct mu_inbox_item {
    struct mu_inbox_item *next;
};
typedef void (*mu_inbox_cb)(void *arg, struct mu_inbox_item *item);
typedef void (*mu_cb)(void *arg);

struct mu_host {
    uint32_t struct_size;
    uint16_t abi_major, abi_minor;
    void *impl; /* private */

    /* message is fixed text; fmt gives "key=%s other=%d" pairs or NULL. Values from users
     * go through %s and are escaped by the sink. Any thread. */
    void (*log)(const struct mu_host *h,
                int level,
                const char *message,
                const char *fmt,
                ...) MU_PRINTF(4, 5);
    uint64_t (*now_ms)(const struct mu_host *h); /* monotonic */
    int64_t (*wall_ms)(
        const struct mu_host *h); /* since 1970; data, never compared with now_ms */
    uint64_t (*random)(const struct mu_host *h);
    struct uv_loop_s *(*loop)(const struct mu_host *h);
    /* "I cannot go on": the core stops the process in order and exits non-zero. */
    void (*failed)(const struct mu_host *h, const struct mu_error *err);

    /* One-shot. The handle is dead once cb runs or it was cancelled; cancel takes NULL.
     * delay 0: next loop turn. */
    struct mu_timer *(*timer_start)(const struct mu_host *h,
                                    uint64_t delay_ms,
                                    mu_cb cb,
                                    void *arg);
    void (*timer_cancel)(const struct mu_host *h, struct mu_timer *t);

    /* Messages from foreign threads to the loop. close drops undelivered items through
     * drop_cb given at open (may be NULL). */
    struct mu_inbox *(*inbox_open)(const struct mu_host *h,
                                   mu_inbox_cb cb,
                                   mu_inbox_cb drop_cb,
                                   void *arg);
    void (*inbox_post)(struct mu_inbox *in, struct mu_inbox_item *item); /* any thread */
    void (*inbox_close)(struct mu_inbox *in, mu_cb closed_cb, void *arg);

    /* work(arg) on a worker thread (it may call only log and inbox_post), then done(arg)
     * on the loop. */
    int (*work)(const struct mu_host *h, mu_cb work, mu_cb done, void *arg);

    /* Counters grow; gauges are set. name as in /metrics/snapshot ("master/uptime_secs"),
     * copied. */
    void (*counter_add)(const struct mu_host *h, const char *name, double delta);
    void (*gauge_set)(const struct mu_host *h, const char *name, double value);
    void (*metrics_each)(const struct mu_host *h,
                         void (*cb)(void *arg, const char *name, double value),
                         void *arg);

    /* HTTP server. listener: "master", "marathon", "agent". pattern: "/v2/apps",
     * "/files/{name}", "/v2/apps/{id...}" (tail, with slashes; also matches an empty
     * tail). Longest literal match wins. Routes exist until the plugin stops. -EEXIST:
     * taken. */
    int (*http_route)(const struct mu_host *h,
                      const char *listener,
                      const char *method,
                      const char *pattern,
                      mu_http_handler_cb handler,
                      void *arg,
                      struct mu_error *err);
    /* The whole answer at once; ends the exchange. Content-Length, Date, HEAD, gzip and
     * keep-alive are the core's. body is copied. */
    void (*http_reply)(struct mu_http_exchange *x,
                       int status,
                       const struct mu_http_header *headers,
                       size_t header_count,
                       const void *body,
                       size_t len);
    /* Same for an answer in pieces (chunked): begin, write..., end. Nothing is buffered
     * for compression in streams unless bounded == true was given (a finite answer
     * written in pieces: gzip allowed). write: 0, or -EPIPE (client gone; on_close
     * follows) or -E2BIG (the stream's bound of unsent bytes is reached: the client reads
     * too slowly and is disconnected; on_close follows). data is copied. */
    void (*http_stream_begin)(struct mu_http_exchange *x,
                              int status,
                              const struct mu_http_header *headers,
                              size_t header_count,
                              bool bounded);
    int (*http_stream_write)(struct mu_http_exchange *x, const void *data, size_t len);
    /* Calls cb once, from the loop, when less than low_bytes are unsent: for answers that
     * are longer than the bound. */
    void (*http_stream_drain)(struct mu_http_exchange *x,
                              size_t low_bytes,
                              mu_cb cb,
                              void *arg);
    void (*http_stream_end)(struct mu_http_exchange *x);
    /* Tell when the client goes away (or the server stops) before the answer was
     * complete. Not called after http_reply, http_stream_end or http_stream_abort. One
     * per exchange; a later call replaces it; cb NULL removes it. */
    void (*http_on_close)(struct mu_http_exchange *x, mu_http_closed_cb cb, void *arg);
    const struct mu_http_request *(*http_request_of)(const struct mu_http_exchange *x);

    /* HTTP client. On failure on_done never runs. */
    int (*http_request)(const struct mu_host *h,
                        const struct mu_http_ask *ask,
                        struct mu_http_call **out_call,
                        struct mu_error *err);
    void (*http_cancel)(struct mu_http_call *call); /* on_done follows with -ECANCELED */

    /* Journals. open locks the file, replays it through on_record before it returns, cuts
     * a torn tail. Errors: -EWOULDBLOCK (another process has it), MU_E_CORRUPT, errno
     * codes. */
    int (*journal_open)(const struct mu_host *h,
                        const char *path,
                        mu_journal_record_cb on_record,
                        void *arg,
                        struct mu_journal **out,
                        struct mu_error *err);
    int (*journal_append)(struct mu_journal *j,
                          const void *data,
                          size_t len,
                          mu_journal_done_cb cb,
                          void *arg);
    /* Replace all content by these records, atomically (new file, fsync, rename); appends
     * made meanwhile come behind them. */
    int (*journal_rewrite)(struct mu_journal *j,
                           const struct mu_slice *records,
                           size_t count,
                           mu_journal_done_cb cb,
                           void *arg);
    uint64_t (*journal_size)(
        const struct mu_journal *j); /* bytes, to decide when to rewrite */
    void (*journal_close)(struct mu_journal *j,
                          mu_cb closed_cb,
                          void *arg); /* after all that was asked for is done */

    /* What this process runs as, for every plugin. Borrowed, constant after start. */
    const char *(*work_dir)(const struct mu_host *h); /* NULL: none given */

    /* In what form the server itself answers on a listener: requests that reach no
     * handler, malformed or too big ones too. The last call counts; cb must stay valid
     * to the end of the process, as all code of a plugin does. */
    void (*http_error_body)(const struct mu_host *h,
                            const char *listener,
                            mu_http_error_body_cb cb);

    /* Instead of http_stream_end, for a stream that cannot be completed: the connection
     * is cut, and the client can tell that the answer is not whole. What was written and
     * is still unsent may be lost. Ends the exchange; on_close is not called. */
    void (*http_stream_abort)(struct mu_http_exchange *x);

    /* RLIMIT_NOFILE as this process was started with. It raises its own soft limit: what
     * runs for others gets this one, as many programs walk through all descriptors that
     * they might have, or use select(). False: not known. */
    bool (*descriptor_limit)(const struct mu_host *h,
                             uint64_t *out_soft,
                             uint64_t *out_hard);

    /* Where other masters reach this one: "host:port" of the listener "master", as
     * advertised. NULL: this process is no master. Borrowed, constant once plugins are
     * started. */
    const char *(*master_address)(const struct mu_host *h);

    /* How long the disk takes for a journal's records; out->struct_size is set. */
    void (*journal_stats)(const struct mu_journal *j, struct mu_journal_stats *out);
};

MU_EXTERN_C_END
#endif
