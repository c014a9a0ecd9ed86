/* cmocka with the headers it wants before it. */
#ifndef MU_TEST_CM_H
#define MU_TEST_CM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
