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

/* Event by event: whatever comes costs no more memory than what is kept of it. */
struct reading {
	yaml_parser_t parser;
	yaml_event_t event; /* the present one */
	json_t *services, *files;
	json_t *seen; /* paths of the present list */
	char *error;
};

static bool wrong(struct reading *r, const char *accepted)
{
	snprintf(r->error, EXPORT_ERROR, "line %zu: accepted: %s", r->event.start_mark.line + 1, accepted);
	return false;
}

static bool next(struct reading *r)
{
	yaml_event_delete(&r->event);
	if (!yaml_parser_parse(&r->parser, &r->event)) {
		const yaml_parser_t *p = &r->parser;
		snprintf(r->error, EXPORT_ERROR, "line %zu: %s", p->problem_mark.line + 1, p->problem ? p->problem : "it cannot be read");
		return false;
	}
	/* One text could be had a million times by a name. */
	return r->event.type != YAML_ALIAS_EVENT || wrong(r, "each text as it is, and no alias (*)");
}

static bool is_next(struct reading *r, yaml_event_type_t type)
{
	return next(r) && (r->event.type == type || wrong(r, "one document, of keys and values"));
}

static bool is_text(const struct reading *r, const char *text)
{
	const yaml_event_t *e = &r->event;
	return e->type == YAML_SCALAR_EVENT && e->data.scalar.length == strlen(text) && memcmp(e->data.scalar.value, text, strlen(text)) == 0;
}

static json_t *text_of(const struct reading *r)
{
	const yaml_event_t *e = &r->event;
	return e->type == YAML_SCALAR_EVENT ? json_stringn((const char *)e->data.scalar.value, e->data.scalar.length) : NULL;
}

typedef bool value_fn(struct reading *r, size_t key, void *to);

/* Keys and values: each of `keys` once, and no other. */
static bool read_map(struct reading *r, const char *const *keys, size_t count, value_fn *value, void *to)
{
	unsigned seen = 0;
	if (r->event.type != YAML_MAPPING_START_EVENT) {
		return wrong(r, "keys and values");
	}
	while (next(r) && r->event.type != YAML_MAPPING_END_EVENT) {
		size_t i = 0;
		while (i < count && !is_text(r, keys[i])) {
			i++;
		}
		if (i == count || (seen & (1u << i))) {
			return wrong(r, "each key that config export writes, once");
		}
		seen |= 1u << i;
		if (!next(r) || !value(r, i, to)) {
			return false;
		}
	}
	return r->event.type == YAML_MAPPING_END_EVENT && (seen == (1u << count) - 1 || wrong(r, "all keys that config export writes"));
}

static bool read_list(struct reading *r, bool (*item)(struct reading *r))
{
	if (r->event.type != YAML_SEQUENCE_START_EVENT) {
		return wrong(r, "a list of files");
	}
	json_object_clear(r->seen);
	while (next(r) && r->event.type != YAML_SEQUENCE_END_EVENT) {
		if (!item(r)) {
			return false;
		}
	}
	return r->event.type == YAML_SEQUENCE_END_EVENT;
}

/* Nothing of it leads elsewhere than it says. */
static bool is_plain_path(const char *path)
{
	size_t len = strlen(path);
	return path[0] == '/' && len > 1 && len < PATH_MAX && path[len - 1] != '/' && !strstr(path, "//") && !strstr(path, "/./") &&
	       !strstr(path, "/../") && strcmp(path + len - 2, "/.") != 0 && (len < 3 || strcmp(path + len - 3, "/..") != 0);
}

/* A new reference; NULL: why not has been told. */
static json_t *path_of(struct reading *r)
{
	json_t *text = text_of(r);
	const char *path = json_string_value(text);
	if (!path || strlen(path) != json_string_length(text) || !is_plain_path(path) || json_object_get(r->seen, path)) {
		json_decref(text);
		wrong(r, "an absolute path, without . and .., that is not there yet");
		return NULL;
	}
	json_object_set_new(r->seen, path, json_true());
	return text;
}

static bool read_service(struct reading *r)
{
	json_t *path = path_of(r);
	return path && json_array_append_new(r->services, path) == 0;
}

static bool read_file_key(struct reading *r, size_t key, void *to)
{
	json_t *text = key == 0 ? path_of(r) : text_of(r);
	if (!text && key > 0) {
		return wrong(r, "a text");
	}
	return text && json_object_set_new(to, key == 0 ? "path" : "text", text) == 0;
}

static bool read_file(struct reading *r)
{
	static const char *const keys[] = { "path", "text" };
	if (json_array_size(r->files) == EXPORT_FILES) {
		return wrong(r, "a list of files, 20000 at most");
	}
	json_t *file = json_object();
	json_array_append_new(r->files, file);
	return read_map(r, keys, XFED_ARRAY_LEN(keys), read_file_key, file);
}

static bool read_key(struct reading *r, size_t key, void *to)
{
	(void)to;
	if (key == 0) {
		return is_text(r, VERSION) || wrong(r, "xfed_export: " VERSION " (a newer version of xfedctl may have written the file)");
	}
	return read_list(r, key == 1 ? read_service : read_file);
}

static bool read_document(struct reading *r)
{
	static const char *const keys[] = { "xfed_export", "services", "files" };
	return is_next(r, YAML_STREAM_START_EVENT) && is_next(r, YAML_DOCUMENT_START_EVENT) && next(r) &&
	       read_map(r, keys, XFED_ARRAY_LEN(keys), read_key, NULL) && is_next(r, YAML_DOCUMENT_END_EVENT) && is_next(r, YAML_STREAM_END_EVENT);
}

int export_parse(struct xfed_span text, json_t **out, char error[EXPORT_ERROR])
{
	struct reading r = { .error = error };
	*out = NULL;
	if (!yaml_parser_initialize(&r.parser)) {
		return XFED_ERR_NOMEM;
	}
	r.services = json_array();
	r.files = json_array();
	r.seen = json_object();
	snprintf(error, EXPORT_ERROR, "out of memory");
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.data, text.len);
	bool is_fine = read_document(&r);
	yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	*out = is_fine ? json_pack("{s:O, s:O}", "services", r.services, "files", r.files) : NULL;
	json_decref(r.services);
	json_decref(r.files);
	json_decref(r.seen);
	return *out ? XFED_OK : is_fine ? XFED_ERR_NOMEM : XFED_ERR_INVALID;
}

bool export_has_key(struct xfed_span text)
{
	static const char mark[] = "PRIVATE KEY-----"; /* of every kind of key in PEM */
	return text.len > 0 && memmem(text.data, text.len, mark, strlen(mark));
}
