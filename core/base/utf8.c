/* UTF-8 validity by the table of well-formed sequences in RFC 3629, section 4.
 *
 * Only the second byte's range depends on the first: that excludes overlong forms,
 * surrogates and what lies beyond U+10FFFF.
 */
#include "base/utf8.h"

static bool in_range(unsigned char c, unsigned char low, unsigned char high)
{
    return c >= low && c <= high;
}

size_t mu_utf8_sequence(const char *s, size_t len)
{
    unsigned char first = (unsigned char)s[0];
    if (first < 0x80) {
        return 1;
    }
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t want;
    if (in_range(first, 0xc2, 0xdf)) {
        want = 2;
    } else if (in_range(first, 0xe0, 0xef)) {
        want = 3;
        low = first == 0xe0 ? 0xa0 : low;
        high = first == 0xed ? 0x9f : high;
    } else if (in_range(first, 0xf0, 0xf4)) {
        want = 4;
        low = first == 0xf0 ? 0x90 : low;
        high = first == 0xf4 ? 0x8f : high;
    } else {
        return 0;
    }
    if (len < want || !in_range((unsigned char)s[1], low, high)) {
        return 0;
    }
    for (size_t i = 2; i < want; i++) {
        if (!in_range((unsigned char)s[i], 0x80, 0xbf)) {
            return 0;
        }
    }
    return want;
}

bool mu_utf8_is_valid(const char *s, size_t len)
{
    while (len > 0) {
        size_t n = mu_utf8_sequence(s, len);
        if (n == 0) {
            return false;
        }
        s += n;
        len -= n;
    }
    return true;
}
