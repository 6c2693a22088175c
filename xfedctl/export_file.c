#include "export_file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistr.h>
#include <yaml.h>

#define VERSION "1"

/* ---- writing ---- */

static bool is_break(ucs4_t c)
{
	return c == 0x85 || c == 0x2028 || c == 0x2029 || c == 0xfeff;
}

/* Whether YAML gives the text back as it is when it stands below "text: |". */
static bool is_plain(struct xfed_span s)
{
	bool is_one_end = s.len > 1 && s.data[s.len - 1] == '\n' && s.data[s.len - 2] != '\n';
	if (!is_one_end || s.data[0] == ' ' || s.data[0] == '\n' || s.data[0] == '\t') {
		return false;
	}
	for (size_t i = 0; i < s.len;) {
		ucs4_t c;
		int n = u8_mbtoucr(&c, (const uint8_t *)s.data + i, s.len - i);
		if (n < 1 || (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0) || is_break(c) || c > 0xffff) {
			return false;
		}
		i += (size_t)n;
	}
	return true;
}

static int print_block(struct xfed_span s, struct xfed_buf *out)
{
	int rc = xfed_buf_append(out, xfed_span_str("|\n"));
	while (s.len > 0 && rc == XFED_OK) {
		struct xfed_span line = xfed_span_cut(&s, '\n');
		rc = line.len > 0 ? xfed_buf_append(out, xfed_span_str("      ")) : XFED_OK;
		rc = rc == XFED_OK ? xfed_buf_append(out, line) : rc;
		rc = rc == XFED_OK ? xfed_buf_append(out, xfed_span_str("\n")) : rc;
	}
	return rc;
}

static int print_quoted(struct xfed_span s, struct xfed_buf *out)
{
	int rc = xfed_buf_append(out, xfed_span_str("\""));
	for (size_t i = 0; i < s.len && rc == XFED_OK;) {
		ucs4_t c;
		int n = u8_mbtoucr(&c, (const uint8_t *)s.data + i, s.len - i);
		if (n < 1) {
			return XFED_ERR_INVALID;
		}
		if (c == '"' || c == '\\') {
			rc = xfed_buf_printf(out, "\\%c", (int)c);
		} else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || is_break(c)) {
			rc = c == '\n' ? xfed_buf_append(out, xfed_span_str("\\n")) : xfed_buf_printf(out, "\\u%04x", (unsigned)c);
		} else {
			rc = xfed_buf_append(out, xfed_span_make(s.data + i, (size_t)n));
		}
		i += (size_t)n;
	}
	return rc == XFED_OK ? xfed_buf_append(out, xfed_span_str("\"\n")) : rc;
}

static struct xfed_span span_of(const json_t *text)
{
	return xfed_span_make(json_string_value(text), json_string_length(text));
}

int export_print(const json_t *what, struct xfed_span head, struct xfed_buf *out)
{
	size_t i;
	json_t *item;
	int rc = xfed_buf_append(out, head);
	rc = rc == XFED_OK ? xfed_buf_append(out, xfed_span_str("xfed_export: " VERSION "\nservices:\n")) : rc;
	json_array_foreach(json_object_get(what, "services"), i, item) {
		rc = rc == XFED_OK ? xfed_buf_append(out, xfed_span_str("  - ")) : rc;
		rc = rc == XFED_OK ? print_quoted(span_of(item), out) : rc;
	}
	rc = rc == XFED_OK ? xfed_buf_append(out, xfed_span_str("files:\n")) : rc;
	json_array_foreach(json_object_get(what, "files"), i, item) {
		struct xfed_span text = span_of(json_object_get(item, "text"));
		rc = rc == XFED_OK ? xfed_buf_append(out, xfed_span_str("  - path: ")) : rc;
		rc = rc == XFED_OK ? print_quoted(span_of(json_object_get(item, "path")), out) : rc;
		rc = rc == XFED_OK ? xfed_buf_append(out, xfed_span_str("    text: ")) : rc;
		rc = rc == XFED_OK ? (is_plain(text) ? print_block(text, out) : print_quoted(text, out)) : rc;
	}
	return rc;
}

/* ---- reading ---- */

struct reading {
	yaml_document_t doc;
	char *error;
};

static bool wrong(struct reading *r, const yaml_node_t *n, const char *accepted)
{
	snprintf(r->error, EXPORT_ERROR, "line %zu: accepted: %s", n ? n->start_mark.line + 1 : 1, accepted);
	return false;
}

static bool is_text(const yaml_node_t *n, const char *text)
{
	return n->type == YAML_SCALAR_NODE && n->data.scalar.length == strlen(text) && memcmp(n->data.scalar.value, text, strlen(text)) == 0;
}

static json_t *text_of(const yaml_node_t *n)
{
	return n && n->type == YAML_SCALAR_NODE ? json_stringn((const char *)n->data.scalar.value, n->data.scalar.length) : NULL;
}

/* The values of these keys, in this order: each once, and no other. */
static bool read_keys(struct reading *r, const yaml_node_t *map, const char *const *keys, yaml_node_t **values, size_t count)
{
	if (!map || map->type != YAML_MAPPING_NODE) {
		return wrong(r, map, "keys and values");
	}
	for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
		const yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);
		size_t i = 0;
		while (i < count && !is_text(key, keys[i])) {
			i++;
		}
		if (i == count || values[i]) {
			return wrong(r, key, "each key that config export writes, once");
		}
		values[i] = yaml_document_get_node(&r->doc, p->value);
	}
	for (size_t i = 0; i < count; i++) {
		if (!values[i]) {
			return wrong(r, map, "all keys that config export writes");
		}
	}
	return true;
}

/* Nothing of it leads elsewhere than it says. */
static bool is_plain_path(const char *path)
{
	size_t len = strlen(path);
	return path[0] == '/' && len > 1 && len < PATH_MAX && path[len - 1] != '/' && !strstr(path, "//") && !strstr(path, "/./") &&
	       !strstr(path, "/../") && strcmp(path + len - 2, "/.") != 0 && (len < 3 || strcmp(path + len - 3, "/..") != 0);
}

static bool add_path(struct reading *r, const yaml_node_t *n, json_t *seen, json_t **out)
{
	*out = text_of(n);
	const char *path = json_string_value(*out);
	if (!path || strlen(path) != json_string_length(*out) || !is_plain_path(path) || json_object_get(seen, path)) {
		json_decref(*out);
		return wrong(r, n, "an absolute path, without . and .., that is not there yet");
	}
	json_object_set_new(seen, path, json_true());
	return true;
}

static bool read_services(struct reading *r, const yaml_node_t *list, json_t *out)
{
	json_t *seen = json_object(), *path;
	bool is_fine = list->type == YAML_SEQUENCE_NODE || wrong(r, list, "a list of files");
	for (const yaml_node_item_t *i = list->data.sequence.items.start; is_fine && i < list->data.sequence.items.top; i++) {
		is_fine = add_path(r, yaml_document_get_node(&r->doc, *i), seen, &path);
		if (is_fine) {
			json_array_append_new(out, path);
		}
	}
	json_decref(seen);
	return is_fine;
}

static bool read_files(struct reading *r, const yaml_node_t *list, json_t *out)
{
	static const char *const keys[] = { "path", "text" };
	json_t *seen = json_object(), *path;
	bool is_fine = (list->type == YAML_SEQUENCE_NODE && list->data.sequence.items.top - list->data.sequence.items.start <= EXPORT_FILES) ||
		       wrong(r, list, "a list of files, 20000 at most");
	for (const yaml_node_item_t *i = list->data.sequence.items.start; is_fine && i < list->data.sequence.items.top; i++) {
		const yaml_node_t *item = yaml_document_get_node(&r->doc, *i);
		yaml_node_t *values[2] = { NULL, NULL };
		is_fine = read_keys(r, item, keys, values, XFED_ARRAY_LEN(keys)) && add_path(r, values[0], seen, &path);
		if (is_fine) {
			json_t *text = text_of(values[1]);
			is_fine = text || wrong(r, values[1], "a text");
			json_array_append_new(out, json_pack("{s:o, s:o*}", "path", path, "text", text));
		}
	}
	json_decref(seen);
	return is_fine;
}

static bool read_document(struct reading *r, json_t *services, json_t *files)
{
	static const char *const keys[] = { "xfed_export", "services", "files" };
	yaml_node_t *values[3] = { NULL, NULL, NULL };
	if (!read_keys(r, yaml_document_get_root_node(&r->doc), keys, values, XFED_ARRAY_LEN(keys))) {
		return false;
	}
	if (!is_text(values[0], VERSION)) {
		return wrong(r, values[0], "xfed_export: " VERSION " (a newer version of xfedctl may have written the file)");
	}
	return read_services(r, values[1], services) && read_files(r, values[2], files);
}

int export_parse(struct xfed_span text, json_t **out, char error[EXPORT_ERROR])
{
	yaml_parser_t parser;
	struct reading r = { .error = error };
	json_t *services = json_array(), *files = json_array();
	*out = NULL;
	if (!yaml_parser_initialize(&parser)) {
		json_decref(services);
		json_decref(files);
		return XFED_ERR_NOMEM;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.data, text.len);
	bool is_fine = yaml_parser_load(&parser, &r.doc);
	if (is_fine) {
		is_fine = read_document(&r, services, files);
		yaml_document_delete(&r.doc);
	} else {
		snprintf(error, EXPORT_ERROR, "line %zu: %s", parser.problem_mark.line + 1, parser.problem ? parser.problem : "it cannot be read");
	}
	yaml_parser_delete(&parser);
	if (is_fine) {
		*out = json_pack("{s:o, s:o}", "services", services, "files", files);
		return *out ? XFED_OK : XFED_ERR_NOMEM;
	}
	json_decref(services);
	json_decref(files);
	return XFED_ERR_INVALID;
}
