/* Role names.
 *
 * A role becomes a directory name and a part of the text form of resources, hence the
 * rules: no empty component, none of ".", ".." and "*", none that starts with '-', no
 * blanks, and none of the brackets and separators of the text form.
 */
#include "domain/role.h"

#include <string.h>

static const char *component_fault(const char *s, size_t len)
{
    if (len == 0) {
        return "has an empty component";
    }
    if (s[0] == '-') {
        return "has a component that starts with '-'";
    }
    bool dots = s[0] == '.' && (len == 1 || (len == 2 && s[1] == '.'));
    if (dots || (len == 1 && s[0] == '*')) {
        return "has a component '.', '..' or '*'";
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c <= 0x20 || c == 0x7f || strchr("():;", c) != NULL) {
            return "has a blank, a control character or one of '():;'";
        }
    }
    return NULL;
}

int mu_role_check(const char *role, struct mu_error *err)
{
    if (strcmp(role, "*") == 0) {
        return 0;
    }
    const char *p = role;
    for (;;) {
        size_t len = strcspn(p, "/");
        const char *fault = component_fault(p, len);
        if (fault != NULL) {
            return mu_fail(err, MU_E_INVALID, "role '%s' %s", role, fault);
        }
        if (p[len] == '\0') {
            return 0;
        }
        p += len + 1;
    }
}
