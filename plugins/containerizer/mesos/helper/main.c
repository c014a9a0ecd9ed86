/* muster-container: the helper of the native containerizer. Not for people: the agent
 * starts it with a connection on descriptor 0 (and for `run` the control socket on 3).
 */
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "supervise.h"

#define PLUGIN_FD 0
#define LISTEN_FD 3

static void close_inherited(unsigned from)
{
    if (syscall(SYS_close_range, from, ~0u, 0) == 0) {
        return;
    }
    long max = sysconf(_SC_OPEN_MAX); /* kernels before 5.9 */
    for (long fd = (long)from; fd < max; fd++) {
        close((int)fd);
    }
}

static int usage(void)
{
    static const char text[] = "muster-container is started by the agent of Muster, to "
                               "supervise one native container\n";
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    return 2;
}

int main(int argc, char **argv)
{
    struct stat st;
    bool has_plugin = fstat(PLUGIN_FD, &st) == 0 && S_ISSOCK(st.st_mode);
    if (argc < 2 || !has_plugin || chdir("/") < 0) {
        return usage();
    }
    umask(022);
    if (strcmp(argv[1], "clean") == 0) {
        close_inherited(LISTEN_FD);
        return nat_clean(PLUGIN_FD);
    }
    if (strcmp(argv[1], "run") == 0) {
        close_inherited(LISTEN_FD + 1);
        if (fcntl(PLUGIN_FD, F_SETFD, FD_CLOEXEC) == 0 &&
            fcntl(LISTEN_FD, F_SETFD, FD_CLOEXEC) == 0) {
            nat_supervise(PLUGIN_FD, LISTEN_FD);
        }
    }
    return usage();
}
