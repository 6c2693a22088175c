#include "conf_internal.h"

struct printer {
	struct xfed_buf *out;
	int rc;
};

static void put(struct printer *p, const char *s)
{
	if (p->rc == XFED_OK) {
		p->rc = xfed_buf_append_str(p->out, s);
	}
}

static void indent(struct printer *p, unsigned level)
{
	for (unsigned i = 0; i < level; i++) {
		put(p, "  ");
	}
}

/* Values contain no control characters (conf_value.c refuses them), so two escapes are enough. */
static void put_quoted(struct printer *p, const char *s)
{
	put(p, "\"");
	for (; *s; s++) {
		char c[3] = { '\\', *s, '\0' };
		put(p, *s == '"' || *s == '\\' ? c : c + 1);
	}
	put(p, "\"");
}

static void put_address(struct printer *p, const struct rt_conf_address *a)
{
	char text[320];
	put_quoted(p, rt_conf_address_text(a, text));
}

static const char *word_of(const struct rt_conf_row *row, const void *field)
{
	int value;
	memcpy(&value, field, sizeof(value));
	for (const struct rt_conf_word *w = row->words; w->word; w++) {
		if (w->value == value) {
			return w->word;
		}
	}
	return NULL;
}

static void put_set(struct printer *p, const struct rt_conf_row *row, unsigned bits)
{
	const char *between = "";
	put(p, "[");
	for (const struct rt_conf_word *w = row->words; w->word; w++) {
		if (bits & (unsigned)w->value) {
			put(p, between);
			put(p, w->word);
			between = ", ";
		}
	}
	put(p, "]");
}

static void put_list(struct printer *p, const struct rt_conf_row *row, const void *field)
{
	struct conf_list list;
	memcpy(&list, field, sizeof(list));
	put(p, "[");
	for (size_t i = 0; i < list.count; i++) {
		put(p, i > 0 ? ", " : "");
		if (row->flags & RT_CONF_SECRET) {
			put(p, "\"(hidden)\"");
		} else if (row->type == RT_CONF_LISTENS || row->type == RT_CONF_SIP_LISTENS) {
			put_address(p, (const struct rt_conf_address *)list.items + i);
		} else {
			put_quoted(p, ((const char *const *)list.items)[i]);
		}
	}
	put(p, "]");
}

static void put_number(struct printer *p, const struct rt_conf_row *row, const void *field)
{
	uint32_t n;
	char text[32];
	memcpy(&n, field, sizeof(n));
	put(p, conf_number_text(row->type, n, text));
}

/* Whether there is a value at all: a text, a word or an address nobody gave has none. */
static bool has_value(const struct rt_conf_row *row, const void *field)
{
	const char *s = "";
	switch (row->type) {
	case RT_CONF_STRING:
	case RT_CONF_PATH:
	case RT_CONF_IP:
		memcpy(&s, field, sizeof(s));
		break;
	case RT_CONF_ADDRESS:
	case RT_CONF_LISTEN:
		s = ((const struct rt_conf_address *)field)->host;
		break;
	case RT_CONF_ENUM:
		s = word_of(row, field);
		break;
	default:
		break;
	}
	return s != NULL;
}

static void put_value(struct printer *p, const struct rt_conf_row *row, const void *field)
{
	const char *s;
	int value;
	switch (row->type) {
	case RT_CONF_STRING:
	case RT_CONF_PATH:
	case RT_CONF_IP:
		memcpy(&s, field, sizeof(s));
		put_quoted(p, row->flags & RT_CONF_SECRET ? "(hidden)" : s);
		return;
	case RT_CONF_BOOL:
		put(p, *(const bool *)field ? "true" : "false");
		return;
	case RT_CONF_INT:
	case RT_CONF_DURATION:
	case RT_CONF_SIZE:
		put_number(p, row, field);
		return;
	case RT_CONF_ENUM:
		put(p, word_of(row, field));
		return;
	case RT_CONF_ENUM_SET:
		memcpy(&value, field, sizeof(value));
		put_set(p, row, (unsigned)value);
		return;
	case RT_CONF_ADDRESS:
	case RT_CONF_LISTEN:
		put_address(p, field);
		return;
	case RT_CONF_STRINGS:
	case RT_CONF_PATHS:
	case RT_CONF_LISTENS:
	case RT_CONF_SIP_LISTENS:
		put_list(p, row, field);
		return;
	case RT_CONF_OBJECT:
	case RT_CONF_OBJECTS:
		return;
	}
}

/* An object without any value is not printed: it would be null, which does not load. */
static bool is_empty(const struct rt_conf_table *t, const void *object)
{
	for (size_t i = 0; i < t->row_count; i++) {
		if (has_value(&t->rows[i], conf_field_const(&t->rows[i], object))) {
			return false;
		}
	}
	return true;
}

static void put_object(struct printer *p, const struct rt_conf_table *t, const void *object, unsigned level, bool is_item);

static void put_objects(struct printer *p, const struct rt_conf_row *row, const void *field, unsigned level)
{
	struct conf_list list;
	memcpy(&list, field, sizeof(list));
	put(p, list.count > 0 ? ":\n" : ": []\n");
	for (size_t i = 0; i < list.count; i++) {
		put_object(p, row->table, (const char *)list.items + i * row->table->struct_size, level + 1, true);
	}
}

static void put_object(struct printer *p, const struct rt_conf_table *t, const void *object, unsigned level, bool is_item)
{
	for (size_t i = 0; i < t->row_count && p->rc == XFED_OK; i++) {
		const struct rt_conf_row *row = &t->rows[i];
		const void *field = conf_field_const(row, object);
		if ((row->flags & RT_CONF_QUIET) && !has_value(row, field)) {
			continue;
		}
		indent(p, level);
		/* The dash of an item is in front of its first key, the others are aligned with it. */
		put(p, !is_item ? "" : i == 0 ? "- " : "  ");
		if (!has_value(row, field)) {
			put(p, "# ");
			put(p, row->name);
			put(p, ": not set\n");
			continue;
		}
		put(p, row->name);
		if (row->type == RT_CONF_OBJECT) {
			put(p, is_empty(row->table, field) ? ": {}\n" : ":\n");
			put_object(p, row->table, field, level + (is_item ? 2 : 1), false);
		} else if (row->type == RT_CONF_OBJECTS) {
			put_objects(p, row, field, level + (is_item ? 1 : 0));
		} else {
			put(p, ": ");
			put_value(p, row, field);
			put(p, "\n");
		}
	}
}

int rt_conf_print(const struct rt_conf_table *table, const void *object, struct xfed_buf *out)
{
	struct printer p = { .out = out, .rc = XFED_OK };
	put_object(&p, table, object, 0, false);
	return p.rc;
}
