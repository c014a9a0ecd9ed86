/* Runs this test program again as a writer that reports what it had acknowledged, and
 * kills it -9 at a random moment.
 *
 * The child gets argv (argv[0] is free; NULL at the end) and must write each acknowledged
 * number, growing, as a native uint64_t to its stdout; it never ends by itself.
 */
#ifndef TESTS_LIB_KILLED_WRITER_H
#define TESTS_LIB_KILLED_WRITER_H

#include <stdint.h>

#include "base/prng.h"

/* Returns the last number the child had written, 0 if none. Fails the test if the child
 * ended before it was killed. */
uint64_t killed_writer_run(char *const argv[], struct mu_prng *prng);

#endif
