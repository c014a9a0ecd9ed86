/* dies(): does a function end its process with SIGABRT? Run in a child, its stderr read
 * back, so that asserts can be tested. */
#ifndef MU_TEST_DIES_H
#define MU_TEST_DIES_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child's stderr goes to out (cap bytes), which may be NULL. */
static inline bool dies(void (*fn)(void *arg), void *arg, char *out, size_t cap)
{
    int fds[2];
    if (pipe(fds) != 0) {
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(fds[1], 2);
        (void)signal(SIGABRT, SIG_DFL); /* cmocka catches it to report a failed test */
        fn(arg);
        _exit(0);
    }
    close(fds[1]);
    char ignored[1024];
    char *text = out != NULL ? out : ignored;
    size_t room = (out != NULL ? cap : sizeof(ignored)) - 1;
    size_t len = 0;
    for (ssize_t n; (n = read(fds[0], text + len, room - len)) > 0;) {
        len += (size_t)n;
    }
    close(fds[0]);
    text[len] = '\0';
    int status = 0;
    return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGABRT;
}

#endif
