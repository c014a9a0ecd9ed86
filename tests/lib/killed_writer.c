/* See killed_writer.h. */
#include "lib/killed_writer.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define NUMBERS_MAX 60 /* read before the kill is due */
#define MOMENT_MAX_NS                                                                    \
    3000000 /* and then this long, so that the kill follows no answer                    \
             */

uint64_t killed_writer_run(char *const argv[], struct mu_prng *prng)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    close(ends[1]);
    uint64_t last = 0;
    uint64_t number;
    uint64_t enough = mu_prng_below(prng, NUMBERS_MAX);
    for (uint64_t i = 0; i < enough; i++) {
        assert_int_equal(read(ends[0], &number, sizeof(number)), sizeof(number));
        last = number;
    }
    struct timespec moment = {0, (long)mu_prng_below(prng, MOMENT_MAX_NS)};
    /* NOLINT(banned): a random moment is the point, there is no event to wait for */
    nanosleep(&moment, NULL);
    kill(pid, SIGKILL);
    while (read(ends[0], &number, sizeof(number)) == sizeof(number)) {
        last = number;
    }
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return last;
}
