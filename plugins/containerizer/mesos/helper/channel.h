/* The supervisor's connections: the plugin that started it, and plugins of later agents
 * through the control socket. A client that does not read is dropped: nothing here may
 * hold the supervisor up. */
#ifndef NAT_CHANNEL_H
#define NAT_CHANNEL_H

#include "fault.h"
#include "wire.h"

#define NAT_CLIENTS_MAX 4
#define NAT_CLIENT_RX 64 /* KILL and DESTROY are smaller */

struct nat_client {
    int fd; /* -1: free */
    size_t len;
    char rx[NAT_CLIENT_RX];
};

struct nat_channel {
    int listen_fd;
    struct nat_client clients[NAT_CLIENTS_MAX];
};

void nat_channel_init(struct nat_channel *c, int plugin_fd, int listen_fd);
/* Accept one connection of the same user or root; the new client, or NULL. */
struct nat_client *nat_channel_accept(struct nat_channel *c);
/* Take what has arrived; false: the client is gone (closed here). */
bool nat_client_fill(struct nat_client *client);
/* The next whole command. signal: of NAT_KILL, else 0. */
bool nat_client_command(struct nat_client *client, uint8_t *out_type, int *out_signal);
/* Finish the frame and send it. */
void nat_client_send(struct nat_client *client, struct nat_out *o);
void nat_channel_send(struct nat_channel *c, struct nat_out *o); /* to all */
size_t nat_channel_count(const struct nat_channel *c);

/* Blocking, for the first frame: read one of any size into *buf (allocated). 0, or
 * negative: end of file, or no frame. */
int nat_frame_receive(int fd, char **buf, struct nat_frame *out);
int nat_frame_send(int fd, struct nat_out *o);
void nat_out_fault(struct nat_out *o,
                   enum nat_frame_type type,
                   const struct nat_fault *fault);

#endif
