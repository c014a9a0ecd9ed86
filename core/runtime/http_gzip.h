/* gzip for bodies: when it may be used, and both directions with bounds.
 *
 * Everything is synchronous; one deflater is about 270 KB, so the server keeps one for
 * whole answers and streams make their own. Loop thread only.
 */
#ifndef MU_RUNTIME_HTTP_GZIP_H
#define MU_RUNTIME_HTTP_GZIP_H

#include <muster/buf.h>
#include <muster/error.h>

enum {
    HTTP_GZIP_MIN = 1024,            /* below, the head outweighs what is saved */
    HTTP_GZIP_MAX = 4 * 1024 * 1024, /* above, compressing at once holds up the loop */
};

struct http_deflater;

/* Does this Accept-Encoding value (NULL: absent) allow gzip? */
bool http_gzip_accepted(const char *accept_encoding);
/* Is this Content-Type (NULL: absent) text, for which it pays? */
bool http_gzip_is_textual(const char *content_type);

struct http_deflater *http_deflater_create(void);
void http_deflater_destroy(struct http_deflater *d);
/* Forget the last stream and begin a new one. */
void http_deflater_reset(struct http_deflater *d);
/* Append what comes out to out (as much as is ready; all of it with finish). -E2BIG:
 * out is full. */
int http_deflater_run(struct http_deflater *d,
                      const void *data,
                      size_t len,
                      bool finish,
                      struct mu_buf *out);

/* Inflate one gzip member into out, whose maximum bounds the result. Errors: -E2BIG (out
 * would overflow), MU_E_INVALID (damaged, cut or followed by something else). */
MU_NODISCARD int http_gzip_inflate(const void *data, size_t len, struct mu_buf *out);

#endif
