#include "change_settings.h"

#include <stdlib.h>

void change_take(struct change *c, struct xfed_buf *text)
{
	xfed_buf_deinit(&c->is);
	c->is = *text;
}

static enum ctl_exit set(struct change *c, const struct rt_conf_table *t, const char *key, const char *value)
{
	char error[RT_CONF_EDIT_ERROR];
	struct xfed_buf next;
	xfed_buf_init(&next, RT_CONF_FILE_BYTES);
	if (rt_conf_set(t, c->file, xfed_buf_span(&c->is), key, value, &next, error) != XFED_OK) {
		xfed_buf_deinit(&next);
		return change_refuse(c, "%s", error);
	}
	change_take(c, &next);
	return CTL_FINE;
}

enum ctl_exit change_begin_file(struct change *c, const struct rt_conf_table *t, const char *key, const char *value)
{
	int rc = xfed_buf_printf(&c->is, "%s: x\n", key); /* to be put in its own quotes */
	return rc == XFED_OK ? set(c, t, key, value) : change_refuse(c, "out of memory");
}

/* Whether one of the first `count` settings is of that key. */
static bool is_among(const json_t *settings, size_t count, const char *key)
{
	size_t len = strlen(key);
	for (size_t i = 0; i < count; i++) {
		const char *word = json_string_value(json_array_get(settings, i));
		if (strncmp(word, key, len) == 0 && word[len] == '=') {
			return true;
		}
	}
	return false;
}

enum ctl_exit change_settings(struct change *c, const struct rt_conf_table *t, const json_t *settings, bool is_new)
{
	size_t i;
	json_t *word;
	enum ctl_exit rc = CTL_FINE;
	if (!is_new && xfed_buf_append(&c->is, xfed_buf_span(&c->was)) != XFED_OK) {
		return change_refuse(c, "out of memory");
	}
	json_array_foreach(settings, i, word) {
		char *key = strdup(json_string_value(word)), *equals = key ? strchr(key, '=') : NULL;
		if (!equals) {
			free(key);
			return change_refuse(c, "out of memory");
		}
		*equals = '\0';
		if (is_among(settings, i, key)) {
			rc = change_refuse(c, "%s is given twice", key);
			free(key);
			return rc;
		}
		rc = set(c, t, key, equals + 1);
		free(key);
		if (rc != CTL_FINE) {
			break;
		}
	}
	return rc;
}
