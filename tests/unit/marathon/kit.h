/* What the tests of the Marathon dialect share: cmocka with its headers, golden files,
 * definitions from JSON text and back. */
#ifndef TESTS_UNIT_MARATHON_KIT_H
#define TESTS_UNIT_MARATHON_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include <muster/app.h>

#include "codec_request.h"
#include "problems.h"

/* golden/<name>; fails the test if it is not JSON. */
json_t *kit_golden(const char *name);
/* Decodes text (a definition, or a partial update over base) without problems. */
struct mu_app *kit_app(const char *text, const struct mu_app *base);
/* The definition as answers have it. The caller frees it. */
char *kit_app_text(const struct mu_app *app);
json_t *kit_app_json(const struct mu_app *app);
/* Fails with both texts when they differ. */
void kit_assert_json(const json_t *got, const json_t *wanted, const char *what);

#endif
