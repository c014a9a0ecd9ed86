/* libcurl, loaded when the first https URL is asked for.
 *
 * Linked, it would cost each master and agent 8 MB of resident memory for the libraries
 * that come along (TLS twice, LDAP, Kerberos, SSH, RTMP), most of which speak plain HTTP
 * only. It stays loaded. */
#ifndef MU_RUNTIME_HTTP_CURL_H
#define MU_RUNTIME_HTTP_CURL_H

#include <curl/curl.h>

#include <muster/error.h>

/* The functions that are used, by their names without "curl_". */
#define HTTP_CURL_FUNCTIONS(X)                                                           \
    X(global_init)                                                                       \
    X(global_cleanup)                                                                    \
    X(easy_init)                                                                         \
    X(easy_setopt)                                                                       \
    X(easy_getinfo)                                                                      \
    X(easy_strerror)                                                                     \
    X(easy_cleanup)                                                                      \
    X(slist_append)                                                                      \
    X(slist_free_all)                                                                    \
    X(multi_init)                                                                        \
    X(multi_setopt)                                                                      \
    X(multi_assign)                                                                      \
    X(multi_add_handle)                                                                  \
    X(multi_remove_handle)                                                               \
    X(multi_socket_action)                                                               \
    X(multi_info_read)                                                                   \
    X(multi_cleanup)

struct http_curl {
#define HTTP_CURL_MEMBER(name) __typeof__(&curl_##name) name;
    HTTP_CURL_FUNCTIONS(HTTP_CURL_MEMBER)
#undef HTTP_CURL_MEMBER
};

/* MU_E_UNSUPPORTED when it is not installed, or is not what it should be. */
MU_NODISCARD int http_curl_load(struct http_curl *out, struct mu_error *err);

#endif
