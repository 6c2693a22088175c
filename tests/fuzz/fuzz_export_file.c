/*
 * The file of config export, as it comes from anybody. What is read names plain absolute paths alone, each once, and written and read again it is the
 * same; else a sentence says why not.
 */
#include <stdlib.h>
#include <string.h>

#include "xfedctl/export_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                                                   \
	do {                                                                                                                                         \
		if (!(cond)) {                                                                                                                       \
			abort();                                                                                                                     \
		}                                                                                                                                    \
	} while (0)

static void is_place(const char *path)
{
	MUST(path && path[0] == '/' && !strstr(path, "/../") && !strstr(path, "//") && path[strlen(path) - 1] != '/');
}

static void paths(const json_t *what)
{
	size_t i;
	json_t *item, *seen = json_object();
	json_array_foreach(json_object_get(what, "services"), i, item) {
		is_place(json_string_value(item));
	}
	json_array_foreach(json_object_get(what, "files"), i, item) {
		const char *path = json_string_value(json_object_get(item, "path"));
		is_place(path);
		MUST(!json_object_get(seen, path) && json_is_string(json_object_get(item, "text")));
		json_object_set_new(seen, path, json_true());
	}
	json_decref(seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[EXPORT_ERROR] = "";
	json_t *what, *again;
	struct xfed_buf text;
	json_object_seed(1);
	int rc = export_parse(xfed_span_make((const char *)data, size), &what, error);
	MUST((rc == XFED_OK) == (what != NULL) && (rc != XFED_ERR_INVALID || error[0]));
	if (!what) {
		return 0;
	}
	paths(what);
	xfed_buf_init(&text, EXPORT_BYTES);
	MUST(export_print(what, XFED_SPAN("# head\n"), &text) == XFED_OK);
	MUST(export_parse(xfed_buf_span(&text), &again, error) == XFED_OK);
	MUST(json_equal(what, again));
	xfed_buf_deinit(&text);
	json_decref(again);
	json_decref(what);
	return 0;
}
