/* The life of the process behind a checked command line: loop, host, plugins, listeners,
 * roles; then the way back in order. */
#ifndef MU_RUNTIME_PROCESS_H
#define MU_RUNTIME_PROCESS_H

struct startup;

/* Returns the exit status: 0 after an orderly stop that was asked for by a signal,
 * else 1. s is the caller's. */
int process_run(const struct startup *s);

#endif
