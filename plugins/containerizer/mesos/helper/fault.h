/* What went wrong in the supervisor: an errno value and what was being done. The plugin
 * makes the sentence ("what: errno's text"), so that the helper carries no table of
 * texts. */
#ifndef NAT_FAULT_H
#define NAT_FAULT_H

struct nat_fault {
    int err; /* errno value, > 0; 0: what says it all */
    char what[248];
};

/* Fill *fault and return -err (or -1 when err is 0). */
int nat_fault_set(struct nat_fault *fault, int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
