/* zk://[USER:PASSWORD@]HOST:PORT,HOST:PORT,.../PATH, as Mesos writes it. Pure, any
 * thread.
 */
#ifndef ZK_URL_H
#define ZK_URL_H

#include <muster/error.h>

struct zks_url {
    char *hosts; /* "h1:2181,h2:2181", for libzookeeper */
    char *path;  /* "/mesos": begins with '/', does not end with one */
    char *auth;  /* "user:password", NULL: none */
};

/* Errors name the part at fault, never the password. A port may be left out (2181). */
int zks_url_parse(const char *text, struct zks_url *out_url, struct mu_error *err);
void zks_url_release(struct zks_url *url);

#endif
