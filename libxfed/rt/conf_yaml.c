#include "conf_internal.h"

#include <unistr.h>
#include <yaml.h>

struct builder {
	struct xfed_arena *arena;
	struct rt_conf_errors *errors;
	const char *file;
	struct xfed_span text;
	size_t before;	     /* bytes of the file in front of `text` */
	size_t chars, bytes; /* the same place of `text`, counted both ways */
	yaml_parser_t parser;
	struct conf_node *root;
	struct conf_node *stack[RT_CONF_DEPTH];
	size_t depth, nodes;
	bool is_document_over;
};

static void syntax(struct rt_conf_errors *e, const char *file, size_t line, size_t column, const char *text)
{
	rt_conf_errors_add(e, false, XFED_REASON_CONFIG_SYNTAX, file, (unsigned)line, (unsigned)column, NULL, "%s", text);
}

static void position(struct xfed_span text, size_t offset, size_t *line, size_t *column)
{
	*line = 1;
	*column = 1;
	for (size_t i = 0; i < offset && i < text.len; i++) {
		if (text.data[i] == '\n') {
			*line += 1;
			*column = 1;
		} else if (((unsigned char)text.data[i] & 0xc0) != 0x80) {
			*column += 1;
		}
	}
}

static int refuse_at(struct rt_conf_errors *e, const char *file, struct xfed_span text, size_t offset, const char *what)
{
	size_t line, column;
	position(text, offset, &line, &column);
	syntax(e, file, line, column, what);
	return XFED_ERR_INVALID;
}

/* libyaml reports a tab in the indentation as "a character that cannot start any token"; this says it plainly, for every line. */
static int refuse_tabs(struct rt_conf_errors *e, const char *file, struct xfed_span text)
{
	int rc = XFED_OK;
	bool in_indentation = true;
	size_t line = 1, line_start = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '\n') {
			line++;
			line_start = i + 1;
			in_indentation = true;
		} else if (text.data[i] == '\t' && in_indentation) {
			syntax(e, file, line, i - line_start + 1, "found a tab in the indentation, accepted: spaces");
			rc = XFED_ERR_INVALID;
			in_indentation = false;
		} else if (text.data[i] != ' ') {
			in_indentation = false;
		}
	}
	return rc;
}

/* No-break spaces, which editors and web pages insert and nobody sees, where YAML needs blanks: after ":" or "-", and before a key. */
static int refuse_hard_blanks(struct rt_conf_errors *e, const char *file, struct xfed_span text)
{
	int rc = XFED_OK;
	size_t line = 1, column = 0;
	bool is_value = false;
	char last = ':'; /* last character of this line but blanks; the beginning of a line counts like a colon */
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		column += ((unsigned char)c & 0xc0) != 0x80;
		if (c == '\n') {
			line++;
			column = 0;
			is_value = false;
			last = ':';
			continue;
		}
		if (!is_value && i + 1 < text.len && memcmp(text.data + i, "\xc2\xa0", 2) == 0 && strchr(":-,[{", last)) {
			syntax(e, file, line, column, "found a no-break space (U+00A0), accepted: a blank");
			rc = XFED_ERR_INVALID;
		}
		is_value = is_value || c == '"' || c == '\'' || c == '#';
		last = c != ' ' ? c : last;
	}
	return rc;
}

/* Refuses bytes that libyaml would accept, or report in words that do not help. */
static int check_bytes(struct rt_conf_errors *e, const char *file, struct xfed_span text)
{
	if (text.len > RT_CONF_FILE_BYTES) {
		rt_conf_errors_add(e, false, XFED_REASON_CONFIG_SYNTAX, file, 0, 0, NULL, "found more than %d bytes, accepted: at most 1 MiB",
			RT_CONF_FILE_BYTES);
		return XFED_ERR_INVALID;
	}
	if (text.len == 0) {
		return XFED_OK;
	}
	if (text.len >= 2 && (memcmp(text.data, "\xff\xfe", 2) == 0 || memcmp(text.data, "\xfe\xff", 2) == 0)) {
		return refuse_at(e, file, text, 0, "found UTF-16 (what some editors call Unicode), accepted: text in UTF-8");
	}
	const char *nul = memchr(text.data, '\0', text.len);
	if (nul) {
		return refuse_at(e, file, text, (size_t)(nul - text.data), "found a NUL byte, accepted: text in UTF-8");
	}
	const uint8_t *bad = u8_check((const uint8_t *)text.data, text.len);
	if (bad) {
		return refuse_at(
			e, file, text, (size_t)(bad - (const uint8_t *)text.data), "found bytes that are not UTF-8, accepted: text in UTF-8");
	}
	int rc = refuse_tabs(e, file, text);
	return rc == XFED_OK ? refuse_hard_blanks(e, file, text) : rc;
}

static void refuse_event(struct builder *b, const yaml_event_t *ev, const char *what)
{
	syntax(b->errors, b->file, ev->start_mark.line + 1, ev->start_mark.column + 1, what);
}

static bool continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* libyaml counts characters. */
static size_t offset_of(struct builder *b, const yaml_mark_t *mark)
{
	while (b->chars < mark->index && b->bytes < b->text.len) {
		b->chars++;
		b->bytes++;
		while (b->bytes < b->text.len && continues(b->text.data[b->bytes])) {
			b->bytes++;
		}
	}
	while (b->chars > mark->index && b->bytes > 0) {
		b->chars--;
		b->bytes--;
		while (b->bytes > 0 && continues(b->text.data[b->bytes])) {
			b->bytes--;
		}
	}
	return b->before + b->bytes;
}

static struct conf_node *add_node(struct builder *b, enum conf_node_kind kind, const yaml_event_t *ev)
{
	struct conf_node *n = xfed_arena_alloc(b->arena, sizeof(*n));
	if (!n) {
		return NULL;
	}
	n->kind = kind;
	n->line = (unsigned)ev->start_mark.line + 1;
	n->column = (unsigned)ev->start_mark.column + 1;
	n->start = offset_of(b, &ev->start_mark);
	b->nodes++;
	if (b->depth == 0) {
		b->root = n;
		return n;
	}
	struct conf_node *parent = b->stack[b->depth - 1];
	if (parent->last) {
		parent->last->next = n;
	} else {
		parent->child = n;
	}
	parent->last = n;
	parent->count++;
	return n;
}

static int on_scalar(struct builder *b, const yaml_event_t *ev)
{
	if (ev->data.scalar.anchor || ev->data.scalar.tag) {
		refuse_event(
			b, ev, ev->data.scalar.tag ? "found a tag (!), which is not taken here" : "found an anchor (&), which is not taken here");
		return XFED_ERR_INVALID;
	}
	struct conf_node *n = add_node(b, CONF_SCALAR, ev);
	if (!n) {
		return XFED_ERR_NOMEM;
	}
	n->end = offset_of(b, &ev->end_mark);
	n->is_plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	n->is_indented = ev->data.scalar.style == YAML_LITERAL_SCALAR_STYLE || ev->data.scalar.style == YAML_FOLDED_SCALAR_STYLE;
	while (n->is_indented && n->end > n->start && strchr(" \r\n", b->text.data[n->end - b->before - 1])) {
		n->end--; /* which libyaml puts behind the line's end */
	}
	n->text = xfed_arena_copy(b->arena, xfed_span_make(ev->data.scalar.value, ev->data.scalar.length));
	return n->text.data ? XFED_OK : XFED_ERR_NOMEM;
}

static int on_start(struct builder *b, const yaml_event_t *ev, enum conf_node_kind kind, const void *anchor, const void *tag, bool is_flow)
{
	if (anchor || tag) {
		refuse_event(b, ev, tag ? "found a tag (!), which is not taken here" : "found an anchor (&), which is not taken here");
		return XFED_ERR_INVALID;
	}
	if (b->depth == RT_CONF_DEPTH) {
		refuse_event(b, ev, "found lists or objects nested too deeply, accepted: at most 8 levels");
		return XFED_ERR_INVALID;
	}
	struct conf_node *n = add_node(b, kind, ev);
	if (!n) {
		return XFED_ERR_NOMEM;
	}
	n->is_flow = is_flow;
	b->stack[b->depth++] = n;
	return XFED_OK;
}

/* AGAIN: continue; OK: the stream has ended; INVALID, NOMEM. */
static int on_event(struct builder *b, const yaml_event_t *ev)
{
	int rc = XFED_OK;
	if (b->nodes >= CONF_NODES_MAX) {
		refuse_event(b, ev, "found too many values, accepted: at most 100000 in one file");
		return XFED_ERR_INVALID;
	}
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->is_document_over) {
			refuse_event(b, ev, "found a second document (---), accepted: one a file");
			rc = XFED_ERR_INVALID;
		}
		break;
	case YAML_DOCUMENT_END_EVENT:
		b->is_document_over = true;
		break;
	case YAML_ALIAS_EVENT:
		refuse_event(b, ev, "found an alias (*), which is not taken here");
		rc = XFED_ERR_INVALID;
		break;
	case YAML_SCALAR_EVENT:
		rc = on_scalar(b, ev);
		break;
	case YAML_SEQUENCE_START_EVENT:
		rc = on_start(b, ev, CONF_LIST, ev->data.sequence_start.anchor, ev->data.sequence_start.tag,
			ev->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE);
		break;
	case YAML_MAPPING_START_EVENT:
		rc = on_start(b, ev, CONF_MAP, ev->data.mapping_start.anchor, ev->data.mapping_start.tag,
			ev->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		b->stack[b->depth]->end = b->stack[b->depth]->is_flow ? offset_of(b, &ev->end_mark) : 0;
		break;
	case YAML_STREAM_END_EVENT:
		return XFED_OK;
	case YAML_STREAM_START_EVENT:
	case YAML_NO_EVENT:
		break;
	}
	return rc == XFED_OK ? XFED_ERR_AGAIN : rc;
}

static int parser_failed(struct builder *b)
{
	const yaml_parser_t *p = &b->parser;
	if (p->error == YAML_MEMORY_ERROR) {
		return XFED_ERR_NOMEM;
	}
	rt_conf_errors_add(b->errors, false, XFED_REASON_CONFIG_SYNTAX, b->file, (unsigned)p->problem_mark.line + 1,
		(unsigned)p->problem_mark.column + 1, NULL, "not valid YAML: %s%s%s", p->problem ? p->problem : "unreadable", p->context ? " " : "",
		p->context ? p->context : "");
	return XFED_ERR_INVALID;
}

static int run(struct builder *b)
{
	int rc = XFED_ERR_AGAIN;
	while (rc == XFED_ERR_AGAIN) {
		yaml_event_t ev;
		if (!yaml_parser_parse(&b->parser, &ev)) {
			return parser_failed(b);
		}
		rc = on_event(b, &ev);
		yaml_event_delete(&ev);
	}
	return rc;
}

int conf_yaml_parse(struct xfed_arena *a, const char *file, struct xfed_span text, struct rt_conf_errors *errors, struct conf_node **root)
{
	struct builder b = { .arena = a, .errors = errors, .file = file };
	*root = NULL;
	if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) {
		text = xfed_span_make(text.data + 3, text.len - 3); /* a byte order mark (YAML 1.2, section 5.2) */
		b.before = 3;
	}
	b.text = text;
	int rc = check_bytes(errors, file, text);
	if (rc != XFED_OK) {
		return rc;
	}
	if (!yaml_parser_initialize(&b.parser)) {
		return XFED_ERR_NOMEM;
	}
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)(text.data ? text.data : ""), text.len);
	rc = run(&b);
	yaml_parser_delete(&b.parser);
	if (rc == XFED_OK && !b.root) {
		rt_conf_errors_add(errors, false, XFED_REASON_CONFIG_SYNTAX, file, 0, 0, NULL, "found an empty file");
		rc = XFED_ERR_INVALID;
	}
	*root = b.root;
	return rc;
}

/* ---- two trees ---- */

bool conf_is_same(const struct conf_node *a, const struct conf_node *b)
{
	if (a->kind != b->kind || a->count != b->count || a->is_plain != b->is_plain || !xfed_span_eq(a->text, b->text)) {
		return false;
	}
	const struct conf_node *y = b->child;
	for (const struct conf_node *x = a->child; x; x = x->next, y = y->next) {
		if (!conf_is_same(x, y)) {
			return false;
		}
	}
	return true;
}

bool conf_has_more(const struct conf_node *less, const struct conf_node *more, size_t at, size_t count)
{
	if (less->kind != more->kind || less->count + count != more->count) {
		return false;
	}
	const struct conf_node *x = less->child, *y = more->child;
	for (size_t i = 0; y; i++, y = y->next) {
		if (i >= at && i < at + count) {
			continue;
		}
		if (!x || !conf_is_same(x, y)) {
			return false;
		}
		x = x->next;
	}
	return true;
}
