/* The state directory of one container, <work_dir>/containers/<container id>/:
 *
 *   control  unix socket; who holds it open is the living supervisor, so a refused
 *            connection proves that there is none (no pid is ever trusted for that)
 *   record   what is made for the container and by whom: written before anything is made,
 *            and again before the command is forked
 *   status   how it ended, written when it did
 *
 * The plugin makes directory and socket before it spawns the supervisor. Used by both
 * sides.
 */
#ifndef NAT_STATE_H
#define NAT_STATE_H

#include "spec.h"

#define NAT_BOOT_ID_SIZE 40

struct nat_status {
    bool has_status; /* the command ran and its end is known */
    int wait_status;
    bool oom, asked, leftover, started;
    uint64_t mem_limit_bytes, mem_max_bytes;
};

void nat_status_encode(struct nat_out *out,
                       enum nat_frame_type type,
                       const struct nat_status *s);
/* False: the frame is damaged. */
bool nat_status_decode(const struct nat_frame *frame, struct nat_status *out);

/* mkdir (its parent must exist) and a listening control socket. Returns the socket, or a
 * negative errno with nothing left. -EEXIST: the directory exists. */
int nat_state_listen(const char *dir);
/* A connection to the living supervisor. -ECONNREFUSED, -ENOENT: there is none. */
int nat_state_connect(const char *dir);
/* Remove the directory and all of its files; an absent one is fine. */
int nat_state_remove(const char *dir);

int nat_state_write_record(int dir_fd,
                           const struct nat_spec *spec,
                           pid_t pid,
                           uint64_t start);
int nat_state_write_status(int dir_fd, const struct nat_status *s);
/* Read record or status into *buf (allocated, the caller frees) and take its frame.
 * -ENOENT: no such file; -EBADMSG: damaged. */
int nat_state_read(int dir_fd, const char *name, char **buf, struct nat_frame *out);
void nat_boot_id(char out[static NAT_BOOT_ID_SIZE]);

#endif
