/*
 * Arbitrary bytes as what a browser sends: its first byte says what they are. Security sentences: nothing that is not valid UTF-8, or has a NUL,
 * becomes a field or a part of a path; a name that is ours is one of those that were given; nobody is led to another host; and a line of the
 * users' file that is taken has a name and a role, and a hash or a certificate.
 */
#include <stdint.h>
#include <stdlib.h>

#include "fe-gateway/config/panel_users.h"
#include "fe-gateway/panel/request.h"
#include "fe-gateway/panel/route.h"
#include "xfed/jid.h"
#include "xfed/mem.h"
#include "xfed/rt/password.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                                                                              \
	do {                                                                                                                                         \
		if (!(condition)) {                                                                                                                  \
			abort();                                                                                                                     \
		}                                                                                                                                    \
	} while (0)

static bool is_text(struct xfed_span s)
{
	return xfed_utf8_is_valid(s) && (s.len == 0 || !memchr(s.data, '\0', s.len));
}

static void form(struct xfed_span text)
{
	static struct panel_field fields[PANEL_FIELDS_MAX];
	char *memory = xfed_malloc(text.len + 1);
	size_t count = 0;
	if (!memory) {
		return;
	}
	(void)request_fields(text, memory, fields, &count);
	MUST(count <= PANEL_FIELDS_MAX);
	for (size_t i = 0; i < count; i++) {
		MUST(is_text(fields[i].name) && is_text(fields[i].value));
	}
	xfed_free(memory);
}

static void path(struct xfed_span text)
{
	struct panel_request r = { .path = text };
	char *memory = xfed_malloc(text.len + 1);
	if (memory && panel_route_split(&r, memory) == XFED_OK) {
		for (size_t i = 0; i < r.part_count; i++) {
			MUST(is_text(r.parts[i]));
		}
		(void)panel_route_find(&r);
	}
	xfed_free(memory);
}

static void head(struct xfed_span text)
{
	const char *names[] = { "panel.example" };
	const struct rt_conf_strings more = { names, 1 };
	const struct request_hosts ours = { "192.0.2.1", "gw1", &more };
	char token[PANEL_TOKEN_HEX + 1];
	if (request_host_is_ours(text, &ours)) {
		MUST(memmem(text.data, text.len, "192.0.2.1", 9) || (text.len >= 3 && text.len < 64));
	}
	if (request_cookie(text, "xfed", token)) {
		MUST(strlen(token) == PANEL_TOKEN_HEX && memmem(text.data, text.len, token, PANEL_TOKEN_HEX));
	}
	if (request_next_is_fine(text)) {
		MUST(text.data[0] == '/' && (text.len == 1 || text.data[1] != '/') && !memchr(text.data, '\\', text.len) &&
			!memchr(text.data, '\n', text.len));
	}
	(void)request_language(text);
	(void)request_origin_is_ours(text, XFED_SPAN("gw1"));
}

static void line(struct xfed_span text)
{
	struct panel_user_line l;
	const char *accepted;
	if (panel_user_line(text, &l, &accepted) == XFED_OK) {
		MUST(panel_user_name_is_fine(l.name) && l.is_certificate == !l.hash.data && (l.is_certificate || rt_password_is_hash(l.hash)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const kinds[])(struct xfed_span) = { form, path, head, line };
	if (data && size > 0) {
		kinds[data[0] % XFED_ARRAY_LEN(kinds)](xfed_span_make(data + 1, size - 1));
	}
	return 0;
}
