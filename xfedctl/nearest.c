/* What a mistyped word was meant to be. */
#include <stdlib.h>

#include "ctl.h"

#define WORD_MAX  24
#define FAR_APART 2 /* letters that are missing, too many, others or swapped: beyond that nothing is meant */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many such letters are between the two (Damerau, Levenshtein). */
static size_t distance(const char *a, const char *b)
{
	size_t m = strlen(a), n = strlen(b), d[WORD_MAX + 1][WORD_MAX + 1];
	if (m > WORD_MAX || n > WORD_MAX) {
		return FAR_APART + 1;
	}
	for (size_t i = 0; i <= m; i++) {
		for (size_t k = 0; k <= n; k++) {
			if (i == 0 || k == 0) {
				d[i][k] = i + k;
				continue;
			}
			d[i][k] = least(least(d[i - 1][k], d[i][k - 1]) + 1, d[i - 1][k - 1] + (a[i - 1] != b[k - 1]));
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1]) {
				d[i][k] = least(d[i][k], d[i - 2][k - 2] + 1);
			}
		}
	}
	return d[m][n];
}

const char *ctl_nearest(const char *noun, const char *word)
{
	const char *nearest = NULL;
	size_t best = least(FAR_APART, strlen(word) / 2) + 1;
	for (const struct rt_command *c = rt_commands; c < rt_commands + RT_COMMAND_COUNT; c++) {
		const char *known = noun ? c->verb : c->noun;
		bool is_one = rt_command_is_typed(c) && known[0] && (!noun || strcmp(c->noun, noun) == 0);
		size_t far = is_one ? distance(word, known) : best;
		if (far < best) {
			best = far;
			nearest = known;
		}
	}
	return nearest;
}
