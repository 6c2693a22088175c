/*
 * A change of an arbitrary text: "OP KEY VALUE\n", then the text of a partner file. Whatever the text looks like, either the change is
 * refused, and nothing comes out; or what comes out parses, says the same under every other key, and, where something was put in, has
 * every byte of the old text in its place.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "fe-gateway/policy/partner_file.h"
#include "xfed/rt/conf_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct judging {
	const char *key;
	size_t len;
};

/* An object that goes takes its keys along, which had to be the one. */
static void on_changed(void *user, const char *key, bool is_reloadable)
{
	const struct judging *j = user;
	(void)is_reloadable;
	if (strncmp(key, j->key, j->len) != 0 || (key[j->len] != '\0' && key[j->len] != '.' && key[j->len] != '[')) {
		abort();
	}
}

static void compare(struct xfed_span old, struct xfed_span new, const char *key)
{
	static struct rt_conf_errors errors;
	struct rt_conf_doc a, b;
	struct judging j = { key, strlen(key) };
	rt_conf_errors_init(&errors);
	int one = rt_conf_load(&a, &partner_file_table, "f.yaml", old, &errors);
	size_t before = errors.count;
	int other = rt_conf_load(&b, &partner_file_table, "f.yaml", new, &errors);
	for (size_t i = before; i < errors.count; i++) {
		bool is_twice = strstr(errors.items[i].text, "second time") != NULL; /* of a key that is twice in the old text too */
		if (errors.items[i].reason == XFED_REASON_CONFIG_SYNTAX && one == XFED_OK && !is_twice) {
			abort();
		}
	}
	if (one == XFED_OK && other == XFED_OK) {
		rt_conf_diff(&partner_file_table, a.object, b.object, on_changed, &j);
	}
	rt_conf_doc_deinit(&a);
	rt_conf_doc_deinit(&b);
	rt_conf_errors_deinit(&errors);
}

/* Of `old` nothing has gone. */
static bool is_all_there(struct xfed_span old, struct xfed_span new)
{
	size_t head = 0, tail = 0;
	while (head < old.len && head < new.len &&old.data[head] == new.data[head]) {
		head++;
	}
	while (tail < old.len && tail < new.len &&old.data[old.len - 1 - tail] == new.data[new.len - 1 - tail]) {
		tail++;
	}
	return head + tail >= old.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xfed_span text = xfed_span_make(data, size), line = xfed_span_cut(&text, '\n');
	struct xfed_span op = xfed_span_cut(&line, ' '), key = xfed_span_cut(&line, ' ');
	char name[64], value[256], error[RT_CONF_EDIT_ERROR];
	struct xfed_buf out;
	if (!data || op.len != 1 || key.len >= sizeof(name) || memchr(key.data, '\0', key.len) || line.len >= sizeof(value) ||
		(line.len > 0 && memchr(line.data, '\0', line.len))) {
		return 0;
	}
	snprintf(name, sizeof(name), "%.*s", (int)key.len, key.data);
	snprintf(value, sizeof(value), "%.*s", (int)line.len, line.len > 0 ? line.data : "");
	xfed_buf_init(&out, RT_CONF_FILE_BYTES);
	int rc;
	bool adds = op.data[0] == 'a';
	if (op.data[0] == 's' || adds || op.data[0] == 'r') {
		rc = (op.data[0] == 's' ? rt_conf_set
			: adds		? rt_conf_add_item
					: rt_conf_remove_item)(&partner_file_table, "f.yaml", text, name, value, &out, error);
	} else {
		const struct rt_conf_edit edit = { .kind = (enum rt_conf_edit_kind)(op.data[0] & 3),
			.key = name,
			.value = line,
			.item = (size_t)(unsigned char)op.data[0] >> 4 & 3 };
		adds = edit.kind == RT_CONF_EDIT_ADD_ITEM;
		rc = rt_conf_edit("f.yaml", text, &edit, &out, error);
	}
	struct xfed_span new = xfed_buf_span(&out);
	if (rc == XFED_OK) {
		compare(text, new, name);
		if (adds && !is_all_there(text, new)) {
			abort();
		}
	} else if (new.len > 0) {
		abort();
	}
	xfed_buf_deinit(&out);
	return 0;
}
