/* A connection to a helper process: frames in, frames out. The link frees itself when its
 * handle is closed. Also: the ends of processes, which must be taken off the kernel's
 * list. */
#include "native.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct nat_link {
    struct nat_link *next, *prev;
    struct native *n;
    uv_pipe_t pipe;
    bool is_closing;
    char *rx; /* the beginning of a frame that has not arrived whole */
    size_t rx_len;
    const struct nat_link_events *events; /* NULL: nobody listens */
    void *arg;
};

struct write {
    uv_write_t req;
    char data[];
};

static struct nat_link *link_create(struct native *n)
{
    struct nat_link *link = nat_alloc(sizeof(*link));
    link->n = n;
    link->next = n->links;
    if (n->links != NULL) {
        n->links->prev = link;
    }
    n->links = link;
    return link;
}

static void link_free(struct nat_link *link)
{
    struct native *n = link->n;
    if (link->prev != NULL) {
        link->prev->next = link->next;
    } else {
        n->links = link->next;
    }
    if (link->next != NULL) {
        link->next->prev = link->prev;
    }
    free(link->rx);
    free(link);
    nat_maybe_stopped(n);
}

static void on_closed(uv_handle_t *handle)
{
    link_free(handle->data);
}

/* Frames from data; returns how many bytes were used, or -1: no frame, or the link was
 * closed by its owner. */
static long take_frames(struct nat_link *link, char *data, size_t len)
{
    size_t used = 0;
    while (link->events != NULL) {
        struct nat_frame frame;
        long n = nat_frame_take(data + used, len - used, &frame);
        if (n < 0) {
            return -1;
        }
        if (n == 0) {
            return (long)used;
        }
        used += (size_t)n;
        struct nat_message m;
        if (nat_codec_message(&frame, &m)) {
            link->events->message(link->arg, &m);
        }
    }
    return -1;
}

static void end(struct nat_link *link)
{
    const struct nat_link_events *events = link->events;
    link->events = NULL;
    if (events != NULL) {
        events->ended(link->arg);
    }
}

/* Keep what is not a whole frame for the next read. */
static void keep(struct nat_link *link, const char *data, size_t len)
{
    char *rest = NULL;
    if (len > 0) {
        rest = nat_alloc(len);
        memcpy(rest, data, len);
    }
    free(link->rx);
    link->rx = rest;
    link->rx_len = len;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct nat_link *link = handle->data;
    *buf = uv_buf_init(link->n->scratch, sizeof(link->n->scratch));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct nat_link *link = stream->data;
    if (n == 0) {
        return;
    }
    if (n < 0) {
        end(link);
        return;
    }
    char *joined = NULL;
    char *data = buf->base;
    size_t len = (size_t)n;
    if (link->rx_len > 0) {
        joined = nat_alloc(link->rx_len + len);
        memcpy(joined, link->rx, link->rx_len);
        memcpy(joined + link->rx_len, data, len);
        data = joined;
        len += link->rx_len;
    }
    long used = take_frames(link, data, len);
    if (used >= 0) {
        keep(link, data + used, len - (size_t)used);
    } else {
        end(link); /* silent when the owner has closed it */
    }
    free(joined);
}

/* Talk over a socket. */
int nat_link_open(struct native *n, int fd, struct nat_link **out, struct mu_error *err)
{
    struct nat_link *link = link_create(n);
    uv_pipe_init(n->loop, &link->pipe, 0);
    link->pipe.data = link;
    int rc = uv_pipe_open(&link->pipe, fd);
    if (rc < 0) {
        close(fd);
        nat_link_close(link);
        return mu_fail(err, rc, "open the connection: %s", mu_strerror(rc));
    }
    uv_read_start((uv_stream_t *)&link->pipe, on_alloc, on_read);
    *out = link;
    return 0;
}

/* From here on events go to arg. */
void nat_link_listen(struct nat_link *link,
                     const struct nat_link_events *events,
                     void *arg)
{
    link->events = events;
    link->arg = arg;
}

static void on_written(uv_write_t *req, int status)
{
    (void)status; /* the reader sees the end of file */
    free(req->data);
}

/* Send a whole frame. At once where possible: a write to a dead supervisor then raises
 * no SIGPIPE. */
void nat_link_send(struct nat_link *link, const struct nat_out *out)
{
    uv_os_fd_t fd;
    size_t sent = 0;
    bool can_send = uv_stream_get_write_queue_size((uv_stream_t *)&link->pipe) == 0;
    if (can_send && uv_fileno((uv_handle_t *)&link->pipe, &fd) == 0) {
        ssize_t n = send(fd, out->data, out->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return; /* broken: the reader sees the end of file */
        }
        sent = n > 0 ? (size_t)n : 0;
    }
    size_t left = out->len - sent;
    if (left == 0) {
        return;
    }
    struct write *w = nat_alloc(sizeof(*w) + left);
    memcpy(w->data, out->data + sent, left);
    w->req.data = w;
    uv_buf_t buf = uv_buf_init(w->data, (unsigned)left);
    if (uv_write(&w->req, (uv_stream_t *)&link->pipe, &buf, 1, on_written) < 0) {
        free(w);
    }
}

/* Say no more. */
void nat_link_hang_up(struct nat_link *link)
{
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&link->pipe, &fd) == 0) {
        (void)shutdown(fd, SHUT_WR); /* it has ended already: that is heard too */
    }
}

/* End it. */
void nat_link_close(struct nat_link *link)
{
    if (link == NULL || link->is_closing) {
        return;
    }
    link->is_closing = true;
    link->events = NULL;
    uv_close((uv_handle_t *)&link->pipe, on_closed);
}

/* End all, at stop. */
void nat_links_stop(struct native *n)
{
    for (struct nat_link *link = n->links; link != NULL; link = link->next) {
        nat_link_close(link);
    }
}

/* True: nothing more to wait for. */
static bool try_reap(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) != 0; /* reaped, or not our child */
}

/* Reap now, or when a child's end is signalled. */
void nat_reap(struct native *n, pid_t pid)
{
    if (pid <= 1 || try_reap(pid)) {
        return;
    }
    if (n->unreaped_count == n->unreaped_cap) {
        n->unreaped_cap = n->unreaped_cap != 0 ? n->unreaped_cap * 2 : 16;
        pid_t *more = realloc(n->unreaped, n->unreaped_cap * sizeof(*more));
        if (more == NULL) {
            abort();
        }
        n->unreaped = more;
    }
    n->unreaped[n->unreaped_count++] = pid;
}

/* A child has ended. */
void nat_reap_all(struct native *n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n->unreaped_count; i++) {
        if (!try_reap(n->unreaped[i])) {
            n->unreaped[kept++] = n->unreaped[i];
        }
    }
    n->unreaped_count = kept;
}
