#include "panel/form.h"

#include <stdio.h>

#include "xfed/mem.h"

static const struct {
	const char *key;
	enum panel_word label;
} labels[] = {
	{ "domain", W_KEY_DOMAIN },
	{ "description", W_KEY_DESCRIPTION },
	{ "enabled", W_KEY_ENABLED },
	{ "additional_domains", W_KEY_ADDITIONAL_DOMAINS },
	{ "partner_type", W_KEY_PARTNER_TYPE },
	{ "tls", W_KEY_TLS },
	{ "sasl", W_KEY_SASL },
	{ "dialback", W_KEY_DIALBACK },
	{ "connect_to", W_KEY_CONNECT_TO },
	{ "keepalive", W_KEY_KEEPALIVE },
	{ "limits.connections", W_KEY_CONNECTIONS },
	{ "limits.stanzas_per_second", W_KEY_STANZAS },
	{ "limits.stanza_size", W_KEY_STANZA_SIZE },
	{ "kinds", W_KEY_KINDS },
	{ "trust.ca", W_KEY_TRUST_CA },
	{ "trust.pins", W_KEY_TRUST_PINS },
	{ "dane", W_KEY_DANE },
	{ "name", W_KEY_NAME },
	{ "scope", W_KEY_SCOPE },
	{ "federation", W_KEY_FEDERATION },
	{ "xmpp", W_KEY_XMPP },
	{ "allowed", W_KEY_ALLOWED },
	{ "granted_to", W_KEY_GRANTED_TO },
	{ "granted_to_file", W_KEY_GRANTED_TO_FILE },
	{ "domains", W_KEY_DOMAINS },
};

enum panel_word form_label(const char *key)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(labels); i++) {
		if (strcmp(key, labels[i].key) == 0) {
			return labels[i].label;
		}
	}
	return W_NONE;
}

static bool is_list(const struct rt_conf_row *row)
{
	return row->type == RT_CONF_STRINGS || row->type == RT_CONF_PATHS || row->type == RT_CONF_LISTENS || row->type == RT_CONF_SIP_LISTENS;
}

/* ---- values: one text each, the items of a list between commas ---- */

static int add_item(struct xfed_buf *out, struct xfed_span item)
{
	if (item.len == 0) {
		return XFED_OK;
	}
	int rc = xfed_buf_len(out) > 0 ? xfed_buf_append_str(out, ",") : XFED_OK;
	return rc == XFED_OK ? xfed_buf_append(out, item) : rc;
}

static int add_items(struct xfed_buf *out, struct xfed_span text, const char *ends)
{
	int rc = XFED_OK;
	while (text.len > 0 && rc == XFED_OK) {
		size_t n = 0;
		while (n < text.len && !strchr(ends, text.data[n])) {
			n++;
		}
		rc = add_item(out, xfed_span_make(text.data, n));
		n += n < text.len;
		text = xfed_span_make(text.data + n, text.len - n);
	}
	return rc;
}

/* What a command shows of a key; `values` may be anything. */
static int value_in_force(const struct rt_conf_asked *k, const json_t *values, struct xfed_buf *out)
{
	const json_t *inside = k->inside ? json_object_get(values, k->inside->name) : values, *v = json_object_get(inside, k->row->name), *item;
	char number[32];
	size_t i;
	int rc = XFED_OK;
	if (json_is_array(v)) {
		json_array_foreach(v, i, item) {
			rc = rc == XFED_OK ? add_item(out, xfed_span_make(json_string_value(item), json_string_length(item))) : rc;
		}
	} else if (json_is_boolean(v) && k->row->type == RT_CONF_BOOL) {
		rc = xfed_buf_append_str(out, json_is_true(v) ? "true" : "false");
	} else if (json_is_integer(v) && json_integer_value(v) >= 0) {
		rc = xfed_buf_append_str(out, rt_conf_number_text(k->row->type, (uint64_t)json_integer_value(v), number));
	} else if (json_is_string(v)) {
		rc = xfed_buf_append(out, xfed_span_make(json_string_value(v), json_string_length(v)));
	}
	return rc;
}

static int value_by_default(const struct rt_conf_asked *k, struct xfed_buf *out)
{
	struct xfed_span text = xfed_span_str(k->fallback);
	return k->row->type == RT_CONF_ENUM_SET || is_list(k->row) ? add_items(out, text, " ") : text.len > 0 ? xfed_buf_append(out, text) : XFED_OK;
}

static int value_given(const struct rt_conf_asked *k, const struct panel_request *r, struct xfed_buf *out)
{
	int rc = XFED_OK;
	for (size_t i = 0; i < r->field_count && rc == XFED_OK; i++) {
		struct xfed_span v = r->fields[i].value;
		if (!xfed_span_is(r->fields[i].name, k->key)) {
			continue;
		}
		if (k->row->type == RT_CONF_ENUM_SET || is_list(k->row)) {
			rc = add_items(out, v, ", \t\r\n");
		} else {
			rc = add_item(out, xfed_span_trim(v));
			break;
		}
	}
	return rc;
}

static struct xfed_span value_began(const struct rt_conf_asked *k, const struct panel_request *r)
{
	char name[128];
	snprintf(name, sizeof(name), "was.%s", k->key);
	return field_get(r, name);
}

static int value_at_first(const struct form *f, const struct rt_conf_asked *k, struct xfed_buf *out)
{
	struct xfed_span began = f->given ? value_began(k, f->given) : (struct xfed_span){ 0 };
	return began.data ? xfed_buf_append(out, began) : f->values ? value_in_force(k, f->values, out) : value_by_default(k, out);
}

static int value_now(const struct form *f, const struct rt_conf_asked *k, struct xfed_buf *out)
{
	return f->given ? value_given(k, f->given, out) : value_at_first(f, k, out);
}

static bool has_item(struct xfed_span list, const char *word)
{
	while (list.len > 0) {
		if (xfed_span_is(xfed_span_cut(&list, ','), word)) {
			return true;
		}
	}
	return false;
}

/* ---- fields ---- */

static void put_name(struct html *h, const struct rt_conf_asked *k)
{
	enum panel_word label = form_label(k->key);
	if (label == W_NONE) {
		html_put(h, "<code>%s</code>", k->key);
	} else {
		html_put(h, "%i <code class=\"quiet\">%s</code>", label, k->key);
	}
}

static void put_help(struct html *h, const struct rt_conf_asked *k)
{
	bool has_words = k->row->words || k->row->type == RT_CONF_BOOL || k->row->type == RT_CONF_STRING || is_list(k->row); /* the field says it */
	html_put(h, "<p class=\"hint\" id=\"h-%s\">", k->key);
	html_said(h, k->row->help);
	if (!has_words) {
		html_put(h, " %i ", W_ACCEPTED);
		html_said(h, k->accepted);
		html_put(h, ".");
	}
	if (k->fallback) {
		html_put(h, " ");
		html_say(h, W_DEFAULT_IS, k->fallback, NULL);
	}
	html_put(h, "</p>");
}

static void put_choice(struct html *h, const struct rt_conf_asked *k, const char *type, const char *word, bool is_chosen, size_t n)
{
	html_put(h, "<label><input type=\"%s\" name=\"%s\" value=\"%s\"", type, k->key, word);
	if (n == 0) {
		html_put(h, " id=\"f-%s\"", k->key);
	}
	if (is_chosen) {
		html_put(h, " checked");
	}
	html_put(h, ">%s</label>", word);
}

/* Words of which one, or several, are chosen; those that are not built cannot be. */
static void put_choices(struct html *h, const struct rt_conf_asked *k, struct xfed_span value)
{
	static const struct rt_conf_word switches[] = { { "true", 1, NULL }, { "false", 0, NULL }, { NULL, 0, NULL } };
	const char *type = k->row->type == RT_CONF_ENUM_SET ? "checkbox" : "radio";
	size_t n = 0;
	html_put(h, "<fieldset class=\"choice field\" aria-describedby=\"h-%s\"><legend>", k->key);
	put_name(h, k);
	html_put(h, "</legend>");
	for (const struct rt_conf_word *w = k->row->type == RT_CONF_BOOL ? switches : k->row->words; w->word; w++) {
		if (!w->not_built) {
			put_choice(h, k, type, w->word, has_item(value, w->word), n++);
		}
	}
	if (k->row->type != RT_CONF_ENUM_SET && !k->fallback && !(k->row->flags & RT_CONF_REQUIRED)) {
		html_put(h, "<label><input type=\"radio\" name=\"%s\" value=\"\"", k->key);
		if (value.len == 0) {
			html_put(h, " checked");
		}
		html_put(h, ">%i</label>", W_NOT_SET);
	}
	put_help(h, k);
	html_put(h, "</fieldset>\n");
}

static void put_select(struct html *h, const struct rt_conf_asked *k, struct xfed_span value)
{
	html_put(h, "<select id=\"f-%s\" name=\"%s\" aria-describedby=\"h-%s\"><option value=\"\">%i</option>", k->key, k->key, k->key, W_NOT_SET);
	for (const struct rt_conf_word *w = k->row->words; w->word; w++) {
		html_put(h, "<option");
		if (xfed_span_is(value, w->word)) {
			html_put(h, " selected");
		}
		html_put(h, ">%s</option>", w->word);
	}
	html_put(h, "</select>");
}

static void put_lines(struct html *h, const struct rt_conf_asked *k, struct xfed_span value)
{
	html_put(h, "<textarea id=\"f-%s\" name=\"%s\" rows=\"4\" spellcheck=\"false\" aria-describedby=\"h-%s\">", k->key, k->key, k->key);
	while (value.len > 0) {
		struct xfed_span item = xfed_span_cut(&value, ',');
		html_put(h, "\n%.*s", (int)item.len, item.data); /* the first line break of a text area is no part of it */
	}
	html_put(h, "</textarea><p class=\"hint\">%i</p>", W_ONE_A_LINE);
}

static void put_line(struct html *h, const struct rt_conf_asked *k, struct xfed_span value)
{
	html_put(h, "<input id=\"f-%s\" name=\"%s\" value=\"%.*s\" autocomplete=\"off\" spellcheck=\"false\" aria-describedby=\"h-%s\"", k->key,
		k->key, (int)value.len, value.data, k->key);
	if (k->row->type == RT_CONF_INT) {
		html_put(h, " inputmode=\"numeric\"");
	}
	if (k->row->flags & RT_CONF_REQUIRED) {
		html_put(h, " required");
	}
	html_put(h, ">");
}

static bool is_choice(const struct rt_conf_row *row)
{
	size_t n = 0;
	for (const struct rt_conf_word *w = row->words; w && w->word; w++) {
		n++;
	}
	return row->type == RT_CONF_BOOL || row->type == RT_CONF_ENUM_SET || (row->type == RT_CONF_ENUM && n <= 4);
}

static void put_field(struct html *h, const struct rt_conf_asked *k, struct xfed_span value)
{
	if (is_choice(k->row)) {
		put_choices(h, k, value);
		return;
	}
	html_put(h, "<div class=\"field\"><label for=\"f-%s\">", k->key);
	put_name(h, k);
	html_put(h, "</label>");
	if (k->row->type == RT_CONF_ENUM) {
		put_select(h, k, value);
	} else if (is_list(k->row)) {
		put_lines(h, k, value);
	} else {
		put_line(h, k, value);
	}
	put_help(h, k);
	html_put(h, "</div>\n");
}

/* ---- the form ---- */

static bool is_left_out(const struct rt_conf_asked *k, const char *named_by)
{
	size_t built = 0;
	for (const struct rt_conf_word *w = k->row->words; w && w->word; w++) {
		built += !w->not_built;
	}
	return k->row->type == RT_CONF_OBJECTS || k->row->not_built || (k->row->words && built < 2) || (named_by && strcmp(k->key, named_by) == 0);
}

struct writing {
	const struct form *form;
	const struct rt_conf_row *inside;
};

/* An object's keys stand in a group; of those with many keys, which few need, one that is opened. */
static void change_group(struct writing *w, const struct rt_conf_row *inside)
{
	struct html *h = w->form->h;
	if (w->inside == inside) {
		return;
	}
	if (w->inside) {
		html_put(h, w->inside->table->row_count > 8 ? "</details>" : "</fieldset>\n");
	}
	if (inside) {
		html_put(h, inside->table->row_count > 8 ? "<details><summary>" : "<fieldset><legend>");
		html_put(h, "<code>%s</code>", inside->name);
		html_put(h, inside->table->row_count > 8 ? "</summary><p class=\"hint\">" : "</legend><p class=\"hint\">");
		html_said(h, inside->help);
		html_put(h, "</p>");
	}
	w->inside = inside;
}

static void write_key(void *user, const struct rt_conf_asked *k)
{
	struct writing *w = user;
	const struct form *f = w->form;
	struct xfed_buf now, first;
	if (is_left_out(k, f->named_by)) {
		return;
	}
	xfed_buf_init(&now, FORM_VALUE_BYTES);
	xfed_buf_init(&first, FORM_VALUE_BYTES);
	int rc = value_now(f, k, &now);
	rc = rc == XFED_OK ? value_at_first(f, k, &first) : rc;
	if (rc == XFED_OK) {
		char name[128];
		change_group(w, k->inside);
		snprintf(name, sizeof(name), "was.%s", k->key);
		form_hidden(f->h, name, xfed_buf_span(&first));
		put_field(f->h, k, xfed_buf_span(&now));
	} else {
		f->h->rc = rc;
	}
	if (f->behind) {
		f->behind(f->h, k->key);
	}
	xfed_buf_deinit(&now);
	xfed_buf_deinit(&first);
}

void form_keys(const struct form *f)
{
	struct writing w = { .form = f };
	rt_conf_each_key(f->table, write_key, &w);
	change_group(&w, NULL);
}

/* ---- what comes back ---- */

struct reading {
	const struct panel_request *given;
	const char *named_by;
	json_t *settings; /* NULL: no memory */
};

static void read_key(void *user, const struct rt_conf_asked *k)
{
	struct reading *r = user;
	struct xfed_buf text;
	if (!r->settings || is_left_out(k, r->named_by) || !value_began(k, r->given).data) {
		return; /* the form did not have it */
	}
	xfed_buf_init(&text, FORM_VALUE_BYTES);
	int rc = value_given(k, r->given, &text);
	if (rc == XFED_OK && !xfed_span_eq(xfed_buf_span(&text), value_began(k, r->given))) {
		json_t *setting = json_sprintf("%s=%.*s", k->key, (int)xfed_buf_len(&text), xfed_buf_span(&text).data);
		rc = json_array_append_new(r->settings, setting) == 0 ? XFED_OK : XFED_ERR_NOMEM;
	}
	xfed_buf_deinit(&text);
	if (rc != XFED_OK) {
		json_decref(r->settings);
		r->settings = NULL;
	}
}

json_t *form_settings(const struct panel_request *given, const struct rt_conf_table *t, const char *named_by)
{
	struct reading r = { given, named_by, json_array() };
	rt_conf_each_key(t, read_key, &r);
	return r.settings;
}

struct comparing {
	struct html *h;
	const struct panel_request *given;
	const json_t *values;
	size_t count;
};

static void compare_key(void *user, const struct rt_conf_asked *k)
{
	struct comparing *c = user;
	struct xfed_span began = value_began(k, c->given);
	struct xfed_buf now;
	if (!began.data || is_left_out(k, NULL)) {
		return;
	}
	xfed_buf_init(&now, FORM_VALUE_BYTES);
	if (value_in_force(k, c->values, &now) == XFED_OK && !xfed_span_eq(xfed_buf_span(&now), began)) {
		struct xfed_span is = xfed_buf_span(&now);
		if (c->count++ == 0) {
			html_put(c->h, "<div class=\"box warning\" role=\"alert\"><p><strong>%i</strong></p><ul>", W_CHANGED_MEANWHILE);
		}
		html_put(c->h, "<li><code>%s</code>: <del>%.*s</del> <ins>%.*s</ins></li>", k->key, (int)began.len, began.data, (int)is.len, is.data);
	}
	xfed_buf_deinit(&now);
}

void form_meanwhile(struct html *h, const struct panel_view *v, const struct rt_conf_table *t, const json_t *values)
{
	struct comparing c = { h, v->request, values, 0 };
	if (v->request->method == PANEL_POST) {
		rt_conf_each_key(t, compare_key, &c);
	}
	if (c.count > 0) {
		html_put(h, "</ul></div>\n");
	}
}
