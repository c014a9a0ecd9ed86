#include "channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Take over both descriptors. */
void nat_channel_init(struct nat_channel *c, int plugin_fd, int listen_fd)
{
    c->listen_fd = listen_fd;
    for (size_t i = 0; i < NAT_CLIENTS_MAX; i++) {
        c->clients[i] = (struct nat_client){.fd = -1};
    }
    c->clients[0].fd = plugin_fd;
}

static void drop(struct nat_client *client)
{
    close(client->fd);
    client->fd = -1;
    client->len = 0;
}

static bool is_trusted(int fd)
{
    struct ucred who;
    socklen_t len = sizeof(who);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
           (who.uid == 0 || who.uid == geteuid());
}

/* Accept a plugin. When all places are taken the oldest goes: it must be of an agent that
 * hangs. */
struct nat_client *nat_channel_accept(struct nat_channel *c)
{
    int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return NULL;
    }
    if (!is_trusted(fd)) {
        close(fd);
        return NULL;
    }
    size_t i = 0;
    while (i < NAT_CLIENTS_MAX && c->clients[i].fd >= 0) {
        i++;
    }
    if (i == NAT_CLIENTS_MAX) {
        close(c->clients[0].fd);
        memmove(&c->clients[0], &c->clients[1],
                (NAT_CLIENTS_MAX - 1) * sizeof(c->clients[0]));
        i = NAT_CLIENTS_MAX - 1;
    }
    c->clients[i] = (struct nat_client){.fd = fd};
    return &c->clients[i];
}

/* Read once, without waiting. */
bool nat_client_fill(struct nat_client *client)
{
    size_t room = sizeof(client->rx) - client->len;
    ssize_t n = recv(client->fd, client->rx + client->len, room, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (n <= 0) {
        drop(client);
        return false;
    }
    client->len += (size_t)n;
    return true;
}

/* Take one command from the front of what has been read. */
bool nat_client_command(struct nat_client *client, uint8_t *out_type, int *out_signal)
{
    struct nat_frame frame;
    long used = nat_frame_take(client->rx, client->len, &frame);
    if (used == 0 && client->len < sizeof(client->rx)) {
        return false;
    }
    if (used <= 0) { /* no frame, or one that is too big to be a command */
        drop(client);
        return false;
    }
    *out_type = frame.type;
    *out_signal = 0;
    struct nat_field f;
    size_t at = 0;
    while (nat_field_next(&frame, &at, &f) > 0) {
        if (f.key == NAT_KEY_SIGNAL) {
            *out_signal = (int)nat_field_u64(&f);
        }
    }
    client->len -= (size_t)used;
    memmove(client->rx, client->rx + used, client->len);
    return true;
}

/* Send, or drop the client. */
void nat_client_send(struct nat_client *client, struct nat_out *o)
{
    if (client->fd < 0 || !nat_out_end(o)) {
        return; /* no memory for some bytes: the plugin will see the end of file */
    }
    ssize_t n = send(client->fd, o->data, o->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n != (ssize_t)o->len) {
        drop(client);
    }
}

/* Send to all clients. */
void nat_channel_send(struct nat_channel *c, struct nat_out *o)
{
    for (size_t i = 0; i < NAT_CLIENTS_MAX; i++) {
        nat_client_send(&c->clients[i], o);
    }
}

/* How many are connected. */
size_t nat_channel_count(const struct nat_channel *c)
{
    size_t n = 0;
    for (size_t i = 0; i < NAT_CLIENTS_MAX; i++) {
        n += c->clients[i].fd >= 0;
    }
    return n;
}

static int receive_all(int fd, char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = read(fd, data, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -EPIPE;
        }
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Read one frame, waiting for it. */
int nat_frame_receive(int fd, char **buf, struct nat_frame *out)
{
    char head[NAT_FRAME_HEAD];
    int rc = receive_all(fd, head, sizeof(head));
    if (rc < 0) {
        return rc;
    }
    size_t inner = 0;
    for (unsigned i = 0; i < 4; i++) {
        inner |= (size_t)(unsigned char)head[i] << (8 * i);
    }
    if (inner < 1 || inner > NAT_FRAME_MAX) {
        return -EPROTO;
    }
    char *data = malloc(inner + 4);
    if (data == NULL) {
        return -ENOMEM;
    }
    memcpy(data, head, sizeof(head));
    rc = receive_all(fd, data + sizeof(head), inner - 1);
    if (rc < 0 || nat_frame_take(data, inner + 4, out) <= 0) {
        free(data);
        return rc < 0 ? rc : -EPROTO;
    }
    *buf = data;
    return 0;
}

/* Finish and send one frame, waiting until it is out. */
int nat_frame_send(int fd, struct nat_out *o)
{
    if (!nat_out_end(o)) {
        return -ENOMEM;
    }
    size_t at = 0;
    while (at < o->len) {
        ssize_t n = send(fd, o->data + at, o->len - at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -EIO;
        }
        at += (size_t)n;
    }
    return 0;
}

/* Put a fault into a frame. */
void nat_out_fault(struct nat_out *o,
                   enum nat_frame_type type,
                   const struct nat_fault *fault)
{
    nat_out_begin(o, type);
    nat_out_text(o, NAT_KEY_TEXT, fault->what);
    nat_out_u64(o, NAT_KEY_ERRNO, (uint64_t)fault->err);
}
