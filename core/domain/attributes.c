/* Attributes: name:value texts.
 *
 * Scalars and ranges stay the texts they are: attributes are only compared and matched.
 * Sets are refused, as Mesos does.
 */
#include "domain/attributes.h"

#include <string.h>

#include "base/alloc.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* A copy of len bytes without the blanks at both ends. */
static char *trimmed(const char *s, size_t len)
{
    while (len > 0 && is_blank(s[0])) {
        s++;
        len--;
    }
    while (len > 0 && is_blank(s[len - 1])) {
        len--;
    }
    return mu_xstrndup(s, len);
}

static int
parse_piece(const char *piece, size_t len, struct mu_pairs *out, struct mu_error *err)
{
    mu_auto_free char *text = trimmed(piece, len);
    if (text[0] == '\0') {
        return 0;
    }
    const char *colon = strchr(text, ':');
    if (colon == NULL) {
        return mu_fail(err, MU_E_INVALID, "attribute '%s' is not of the form name:value",
                       text);
    }
    mu_auto_free char *name = trimmed(text, (size_t)(colon - text));
    mu_auto_free char *value = trimmed(colon + 1, strlen(colon + 1));
    if (name[0] == '\0' || value[0] == '\0') {
        return mu_fail(err, MU_E_INVALID, "attribute '%s' has an empty name or value",
                       text);
    }
    if (value[0] == '{') {
        return mu_fail(err, MU_E_INVALID,
                       "attribute '%s': a set is not allowed here ('%s')", name, value);
    }
    mu_pairs_add(out, name, value);
    return 0;
}

int mu_attributes_parse(const char *text, struct mu_pairs *out, struct mu_error *err)
{
    struct mu_pairs pairs = {0};
    for (const char *p = text; *p != '\0';) {
        size_t len = strcspn(p, ";\n");
        int status = parse_piece(p, len, &pairs, err);
        if (status < 0) {
            mu_pairs_release(&pairs);
            return status;
        }
        p += len;
        p += *p != '\0' ? 1 : 0;
    }
    *out = pairs;
    return 0;
}
