/* `muster-container clean`: what is done about a container whose supervisor is gone. */
#ifndef NAT_CLEAN_H
#define NAT_CLEAN_H

/* plugin_fd: a NAT_CLEAN frame is read from it, NAT_CLEANED is the answer. Returns the
 * process's exit status. */
int nat_clean(int plugin_fd);

#endif
