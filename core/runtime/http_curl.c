#include "runtime/http_curl.h"

#include <dlfcn.h>
#include <string.h>

#include "base/alloc.h"

#define LIBRARY "libcurl.so.4" /* this ABI since 2006 */

struct entry {
    const char *name;
    size_t offset;
};

int http_curl_load(struct http_curl *out, struct mu_error *err)
{
#define HTTP_CURL_ENTRY(name) {"curl_" #name, offsetof(struct http_curl, name)},
    static const struct entry entries[] = {HTTP_CURL_FUNCTIONS(HTTP_CURL_ENTRY)};
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return mu_fail(err, MU_E_UNSUPPORTED, "https needs libcurl: %s", dlerror());
    }
    for (size_t i = 0; i < MU_COUNT_OF(entries); i++) {
        void *function = dlsym(library, entries[i].name);
        if (function == NULL) {
            return mu_fail(err, MU_E_UNSUPPORTED, "https needs libcurl: no %s in %s",
                           entries[i].name, LIBRARY);
        }
        /* ISO C has no cast from an object's to a function's pointer. */
        memcpy((char *)out + entries[i].offset, &function, sizeof(function));
    }
    return 0;
}
