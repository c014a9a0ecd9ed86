/* The bound of a container's stdout and stderr: the command writes to the files itself,
 * and now and then the supervisor takes the oldest part away, as a hole. So nothing is
 * copied and nothing is lost in between, offsets stay what they were for those who follow
 * the file, and no process is needed for it. Between two looks a file may outgrow its
 * bound by what the disk takes in that time.
 */
#ifndef NAT_OUTPUTS_H
#define NAT_OUTPUTS_H

#include <stdint.h>
#include <sys/types.h>

enum { NAT_OUTPUTS = 2 };

struct nat_outputs {
    uint64_t max; /* per file; 0: none is bounded */
    struct {
        int fd; /* writable, not appending; -1 */
        off_t cut, seen;
    } v[NAT_OUTPUTS];
};

void nat_outputs_init(struct nat_outputs *o, uint64_t max);
/* Take over the descriptors, -1 for none. */
void nat_outputs_take(struct nat_outputs *o, const int fds[NAT_OUTPUTS]);
/* Cut what is too long. When to look again, in ms; -1: never. */
int nat_outputs_check(struct nat_outputs *o);

#endif
