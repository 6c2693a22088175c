#include "config/panel_users.h"

#include <stdlib.h>

#include "xfed/jid.h"
#include "xfed/rt/password.h"

#define CERTIFICATE "cert"

bool panel_user_name_is_fine(struct xfed_span name)
{
	if (name.len == 0 || name.len >= PANEL_USER_NAME || xfed_span_is(name, CERTIFICATE) || !xfed_utf8_is_valid(name)) {
		return false;
	}
	for (size_t i = 0; i < name.len; i++) {
		if ((unsigned char)name.data[i] < ' ' || name.data[i] == 0x7f || name.data[i] == ':') {
			return false;
		}
	}
	return name.data[0] != ' ' && name.data[0] != '#' && name.data[name.len - 1] != ' ';
}

int panel_user_line(struct xfed_span line, struct panel_user_line *out, const char **accepted)
{
	line.len -= line.len > 0 && line.data[line.len - 1] == '\r';
	struct xfed_span rest = xfed_span_trim(line);
	if (rest.len == 0 || rest.data[0] == '#') {
		return XFED_ERR_NOT_FOUND;
	}
	*out = (struct panel_user_line){ .name = xfed_span_cut(&rest, ':') };
	out->is_certificate = xfed_span_is(out->name, CERTIFICATE);
	if (out->is_certificate) {
		out->name = xfed_span_cut(&rest, ':');
	}
	struct xfed_span role = out->is_certificate ? rest : xfed_span_cut(&rest, ':');
	out->hash = out->is_certificate ? (struct xfed_span){ NULL, 0 } : rest;
	out->is_admin = xfed_span_is(role, "admin");
	*accepted = !panel_user_name_is_fine(out->name)			      ? "NAME:ROLE:HASH or cert:NAME:ROLE, with a name of 1 to 64 bytes"
		    : !out->is_admin && !xfed_span_is(role, "reader")	      ? "admin or reader as the role"
		    : !out->is_certificate && !rt_password_is_hash(out->hash) ? "a yescrypt hash, as xfedctl panel user passwd writes it"
									      : NULL;
	return *accepted ? XFED_ERR_INVALID : XFED_OK;
}

static int compare(bool is_certificate, struct xfed_span name, const struct panel_user *b)
{
	if (is_certificate != !b->hash) {
		return is_certificate ? -1 : 1;
	}
	size_t len = strlen(b->name), least = name.len < len ? name.len : len;
	int order = memcmp(name.data, b->name, least);
	return order ? order : (name.len > len) - (name.len < len);
}

static int by_name(const void *a, const void *b)
{
	const struct panel_user *u = a;
	return compare(!u->hash, xfed_span_str(u->name), b);
}

static int add(struct xfed_arena *arena, const struct panel_user_line *l, struct panel_user *out)
{
	out->name = xfed_arena_copy(arena, l->name).data;
	out->hash = l->is_certificate ? NULL : xfed_arena_copy(arena, l->hash).data;
	out->is_admin = l->is_admin;
	return out->name && (l->is_certificate || out->hash) ? XFED_OK : XFED_ERR_NOMEM;
}

static size_t lines_of(struct xfed_span text)
{
	size_t count = 1;
	for (size_t i = 0; i < text.len; i++) {
		count += text.data[i] == '\n';
	}
	return count;
}

int panel_users_parse(struct xfed_arena *arena, const char *file, struct xfed_span text, struct rt_conf_errors *errors, struct panel_users *out)
{
	size_t max = lines_of(text), before = errors->error_count;
	max = max < PANEL_USERS_MAX ? max : PANEL_USERS_MAX;
	*out = (struct panel_users){ .items = xfed_arena_alloc(arena, max * sizeof(*out->items)) };
	int rc = out->items ? XFED_OK : XFED_ERR_NOMEM;
	for (unsigned number = 1; rc == XFED_OK && text.len > 0; number++) {
		struct panel_user_line l;
		const char *accepted;
		int one = panel_user_line(xfed_span_cut(&text, '\n'), &l, &accepted);
		if (one == XFED_OK && out->count == max) {
			accepted = "at most 1000 users";
			one = XFED_ERR_INVALID;
		}
		if (one == XFED_ERR_INVALID) {
			rt_conf_errors_add(errors, false, XFED_REASON_CONFIG_VALUE_INVALID, file, number, 1, NULL, "accepted: %s", accepted);
		}
		rc = one == XFED_OK ? add(arena, &l, &out->items[out->count++]) : XFED_OK;
	}
	if (rc != XFED_OK) {
		return rc;
	}
	qsort(out->items, out->count, sizeof(*out->items), by_name);
	for (size_t i = 1; i < out->count; i++) {
		if (by_name(&out->items[i - 1], &out->items[i]) == 0) {
			rt_conf_errors_add(errors, false, XFED_REASON_CONFIG_VALUE_INVALID, file, 0, 0, NULL,
				"found \"%s\" a second time, accepted: one line for each", out->items[i].name);
		}
	}
	return errors->error_count == before ? XFED_OK : XFED_ERR_INVALID;
}

const struct panel_user *panel_users_find(const struct panel_users *u, bool is_certificate, struct xfed_span name)
{
	size_t low = 0, high = u->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(is_certificate, name, &u->items[middle]);
		if (order == 0) {
			return &u->items[middle];
		}
		*(order < 0 ? &high : &low) = order < 0 ? middle : middle + 1;
	}
	return NULL;
}
