/* The supervisor of one container: `muster-container run`. */
#ifndef NAT_SUPERVISE_H
#define NAT_SUPERVISE_H

/* plugin_fd: connected to the plugin, the NAT_SPEC frame is read from it. listen_fd: the
 * control socket, held open for as long as there is a supervisor. Ends the process. */
_Noreturn void nat_supervise(int plugin_fd, int listen_fd);

#endif
