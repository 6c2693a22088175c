/* Lists that a service gives in pages: no answer of it may take long. */
#include "ctl.h"

#define LIMIT_DEFAULT 100

static bool has_pages(const struct rt_command *c)
{
	for (const struct rt_command_arg *a = c->args; a->key; a++) {
		if (strcmp(a->key, "after") == 0) {
			return true;
		}
	}
	return false;
}

static json_t *list_in(const json_t *answer)
{
	const char *key;
	json_t *value;
	json_object_foreach(json_object_get(answer, "result"), key, value) {
		if (json_is_array(value)) {
			return value;
		}
	}
	return NULL;
}

static json_t *next_args(const json_t *args, const json_t *next, size_t left)
{
	json_t *more = json_copy((json_t *)(uintptr_t)args);
	json_object_set(more, "after", (json_t *)(uintptr_t)next);
	json_object_set_new(more, "limit", json_integer((json_int_t)left));
	return more;
}

int ctl_ask_pages(const char *path, const struct rt_command *c, json_t *args, void (*part)(const json_t *part), json_t **answer, char error[256])
{
	json_int_t asked = json_integer_value(json_object_get(args, "limit"));
	size_t limit = asked > 0 ? (size_t)asked : LIMIT_DEFAULT;
	int rc = ctl_ask(path, c->noun, c->verb, args, part, answer, error);
	json_t *all = rc == XFED_OK && has_pages(c) ? list_in(*answer) : NULL, *next;
	while (rc == XFED_OK && all && json_array_size(all) < limit && (next = json_object_get(json_object_get(*answer, "result"), "next"))) {
		json_t *more = next_args(args, next, limit - json_array_size(all)), *page;
		rc = ctl_ask(path, c->noun, c->verb, more, part, &page, error);
		json_decref(more);
		json_t *found = rc == XFED_OK ? list_in(page) : NULL;
		if (found) { /* the one before it, with this one's end */
			json_array_extend(all, found);
			json_object_del(json_object_get(*answer, "result"), "next");
			next = json_object_get(json_object_get(page, "result"), "next");
			if (next) {
				json_object_set(json_object_get(*answer, "result"), "next", next);
			}
			json_decref(page);
		} else if (rc == XFED_OK) { /* it was refused: that is the answer */
			json_decref(*answer);
			*answer = page;
			return XFED_OK;
		}
	}
	return rc;
}
