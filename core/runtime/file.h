/* Small files at start-up: values of flags, the work directory. Blocking; main thread. */
#ifndef MU_RUNTIME_FILE_H
#define MU_RUNTIME_FILE_H

#include <muster/error.h>

/* The file as text without the newline at its end; free() it. Errors: errno codes, -E2BIG
 * (longer than max), MU_E_INVALID (a NUL byte in it). */
MU_NODISCARD int
file_read_text(const char *path, size_t max, char **out_text, struct mu_error *err);
/* Makes the directory with its parents, if it is missing, and proves that a file can be
 * made in it. */
MU_NODISCARD int file_prepare_dir(const char *path, struct mu_error *err);
/* The absolute form of path, seen from the current directory; free() it. */
char *file_absolute(const char *path);

#endif
