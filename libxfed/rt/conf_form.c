/* The keys of a table for somebody who makes a form of them. */
#include "conf_internal.h"

#include <stdio.h>

static void each(const struct rt_conf_table *t, const struct rt_conf_row *inside, const char *before, rt_conf_asked_fn *fn, void *user)
{
	for (size_t i = 0; i < t->row_count; i++) {
		const struct rt_conf_row *row = &t->rows[i];
		char key[CONF_PATH_BYTES], accepted[CONF_ACCEPTED_BYTES], number[32];
		snprintf(key, sizeof(key), "%s%s%s", before, inside ? "." : "", row->name);
		if (row->type == RT_CONF_OBJECT) {
			each(row->table, row, key, fn, user);
		} else {
			conf_accepted(row, accepted);
			struct rt_conf_asked asked = { key, row, inside, accepted, conf_fallback(row, number) };
			fn(user, &asked);
		}
	}
}

void rt_conf_each_key(const struct rt_conf_table *t, rt_conf_asked_fn *fn, void *user)
{
	each(t, NULL, "", fn, user);
}

const char *rt_conf_number_text(enum rt_conf_type type, uint64_t n, char out[32])
{
	return conf_number_text(type, n, out);
}
