/*
 * What a sentence holds that is typed or read elsewhere and so stays in every language: numbers, keys, paths, elements, words in capital
 * letters, values behind their keys, commands of xfedctl.
 */
#ifndef TESTS_UNIT_SUPPORT_TYPED_H
#define TESTS_UNIT_SUPPORT_TYPED_H

#include <stdbool.h>
#include <stddef.h>

/* Whether `one` has something of that kind that `other` lacks; it is written to `out`. */
bool typed_differs(const char *one, const char *other, char *out, size_t size);

#endif
