/* What is printed when the process dies of a bug: a failed assert or a fatal signal.
 *
 * The report names the version, the signal, the loaded plugins and a backtrace, on the
 * log's descriptor; then the signal takes its normal course (core dump, exit status).
 */
#ifndef MU_RUNTIME_CRASH_H
#define MU_RUNTIME_CRASH_H

/* Once, at start-up. Under a sanitizer only the assert hook is set: its own reports of
 * signals are better. */
void crash_install(int fd);
/* What to name in the report; copied, cut at 4 KiB. */
void crash_set_plugins(const char *text);

#endif
